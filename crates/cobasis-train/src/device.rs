//! The devices that commands run on.

use burn::tensor::{DType, Device};
use cobasis_data::choice::choices;

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
    /// Whether tensors of the device lie in the memory of the machine.
    pub fn is_processor(self) -> bool {
        self != DeviceName::Wgpu
    }

    /// The device, ready for use.
    ///
    /// # Errors
    ///
    /// If the program was built without it or the machine has none.
    pub fn open(self) -> Result<Device, Error> {
        match self {
            DeviceName::Flex => Ok(Device::flex()),
            DeviceName::NdArray => ndarray(),
            DeviceName::Wgpu => wgpu(),
        }
    }
}

#[cfg(feature = "ndarray")]
fn ndarray() -> Result<Device, Error> {
    #[allow(deprecated)] // Kept as the second, independent CPU reference.
    Ok(Device::ndarray())
}

#[cfg(not(feature = "ndarray"))]
fn ndarray() -> Result<Device, Error> {
    Err(absent(DeviceName::NdArray))
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device, Error> {
    use burn::tensor::wgpu::WgpuInitError::AdapterUnavailable;
    use burn::tensor::wgpu::wgpu::Backend;
    use std::sync::OnceLock;

    // Bringing it up before a tensor does turns Burn's panics into errors; it can be done once.
    static DEVICE: OnceLock<Result<Device, String>> = OnceLock::new();
    let device = DEVICE.get_or_init(|| match Device::wgpu_options().init_with_setup() {
        // OpenGL is what wgpu falls back to; it lacks what Burn's kernels need.
        Ok((_, setup)) if setup.backend == Backend::Gl => Err(NO_DEVICE.to_string()),
        Ok((device, _)) => Ok(device),
        Err(AdapterUnavailable { .. }) => Err(NO_DEVICE.to_string()),
        Err(error) => Err(error.to_string()),
    });
    device.clone().map_err(|problem| unavailable(DeviceName::Wgpu, problem))
}

#[cfg(feature = "wgpu")]
const NO_DEVICE: &str = "no Vulkan, Metal or DirectX device found; without a GPU, Mesa's software \
                         device will do (Debian: apt-get install mesa-vulkan-drivers)";

/// Whether the device computes in 64 bits. Burn says so of GPUs whose driver could, but its shaders
/// then give wrong numbers there.
pub fn has_64_bits(device: &Device) -> bool {
    // Only GPUs have an identity.
    #[cfg(feature = "wgpu")]
    if device.identity().is_some() {
        return false;
    }
    device.supports_dtype(DType::F64)
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Device, Error> {
    Err(absent(DeviceName::Wgpu))
}

/// What is said of a device that this program was built without.
#[cfg(not(all(feature = "ndarray", feature = "wgpu")))]
fn absent(device: DeviceName) -> Error {
    let name = device.as_str();
    let problem = format!(
        "this program was built without it; in a clone, `cargo xtask … --device {name}` builds \
         with it, as does `cargo install --path crates/cobasis-cli --features {name}`"
    );
    unavailable(device, problem)
}

fn unavailable(device: DeviceName, problem: String) -> Error {
    Error::Device { device: device.as_str(), problem }
}
