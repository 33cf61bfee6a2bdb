//! The devices that commands run on.

use burn::tensor::Device;

use crate::choice::choices;
use crate::error::Error;

choices! {
    /// A device by the name that the command line uses.
    DeviceName {
        /// The processor, through Burn's fast backend.
        Flex = "flex",
        /// The processor, through a second and much slower backend, to check the first.
        NdArray = "ndarray",
        /// A graphics processor, through Vulkan, Metal or DirectX.
        Wgpu = "wgpu",
    }
}

impl DeviceName {
    /// The device, ready for use.
    ///
    /// # Errors
    ///
    /// If the program was built without it or the machine has none.
    pub fn open(self) -> Result<Device, Error> {
        match self {
            DeviceName::Flex => Ok(Device::flex()),
            #[allow(deprecated)] // Kept as the second, independent CPU reference.
            DeviceName::NdArray => Ok(Device::ndarray()),
            DeviceName::Wgpu => wgpu(),
        }
    }
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device, Error> {
    use burn::tensor::{DeviceKind, DeviceType};
    if Device::enumerate(DeviceType::Wgpu).into_vec().is_empty() {
        let problem = "no graphics device found; without a GPU, Mesa's software device will do \
                       (Debian: mesa-vulkan-drivers)";
        return Err(Error::Device { device: DeviceName::Wgpu.as_str(), problem });
    }
    Ok(Device::wgpu(DeviceKind::DefaultDevice))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Device, Error> {
    let problem = "this program was built without it; `cargo xtask … --device wgpu` builds with \
                   it, as does `cargo build --features wgpu`";
    Err(Error::Device { device: DeviceName::Wgpu.as_str(), problem })
}
