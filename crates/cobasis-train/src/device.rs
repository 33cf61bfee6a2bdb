//! The devices that commands run on.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use burn::tensor::{DType, Device};
use cobasis_data::choice::refusal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// The names, without the number of a device.
const NAMES: [&str; 7] = ["flex", "ndarray", "wgpu", "cuda", "rocm", "metal", "vulkan"];

/// A device by the name that the command line uses: what computes and, of several of a kind, which, as in `cuda:1`.
///
/// Of graphics processors, `None` is the one that Burn chooses; for `wgpu`, `metal` and `vulkan` a number counts those
/// that are cards of their own. `cuda`, `rocm`, `metal` and `vulkan` are passed through to Burn; here they were never
/// built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceName {
    /// The processor, through Burn's fast backend.
    Flex,
    /// The processor, through a second and much slower backend, to check the first.
    NdArray,
    /// A graphics processor, through Vulkan, Metal or DirectX.
    Wgpu(Option<usize>),
    /// NVIDIA's, through CUDA.
    Cuda(Option<usize>),
    /// AMD's, through ROCm.
    Rocm(Option<usize>),
    /// Apple's, through Metal alone.
    Metal(Option<usize>),
    /// Any, through Vulkan alone.
    Vulkan(Option<usize>),
}

impl DeviceName {
    /// The name without a number, which is that of the feature of the program, too.
    pub fn kind(self) -> &'static str {
        match self {
            DeviceName::Flex => "flex",
            DeviceName::NdArray => "ndarray",
            DeviceName::Wgpu(_) => "wgpu",
            DeviceName::Cuda(_) => "cuda",
            DeviceName::Rocm(_) => "rocm",
            DeviceName::Metal(_) => "metal",
            DeviceName::Vulkan(_) => "vulkan",
        }
    }

    /// The number of a graphics processor, where one was given.
    fn number(self) -> Option<usize> {
        match self {
            DeviceName::Flex | DeviceName::NdArray => None,
            DeviceName::Wgpu(number)
            | DeviceName::Cuda(number)
            | DeviceName::Rocm(number)
            | DeviceName::Metal(number)
            | DeviceName::Vulkan(number) => number,
        }
    }

    /// Whether tensors of the device lie in the memory of the machine.
    pub fn is_processor(self) -> bool {
        matches!(self, DeviceName::Flex | DeviceName::NdArray)
    }

    /// The device, ready for use.
    ///
    /// # Errors
    ///
    /// If the program was built without it or the machine has none.
    pub fn open(self) -> Result<Device, Error> {
        match self {
            DeviceName::Flex => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated)] // Kept as the second, independent CPU reference.
            DeviceName::NdArray => Ok(Device::ndarray()),
            #[cfg(feature = "wgpu")]
            DeviceName::Wgpu(_) => wgpu::open(self),
            #[cfg(feature = "metal")]
            DeviceName::Metal(_) => wgpu::open(self),
            #[cfg(feature = "vulkan")]
            DeviceName::Vulkan(_) => wgpu::open(self),
            #[cfg(feature = "cuda")]
            DeviceName::Cuda(number) => answering(self, || Device::cuda(number.unwrap_or(0))),
            #[cfg(feature = "rocm")]
            DeviceName::Rocm(number) => answering(self, || Device::rocm(number.unwrap_or(0))),
            #[allow(unreachable_patterns)] // With all features.
            absent => Err(without(absent)),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            Some(number) => f.pad(&format!("{}:{number}", self.kind())),
            None => f.pad(self.kind()),
        }
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = match text.split_once(':') {
            Some((kind, number)) => (kind, Some(number)),
            None => (text, None),
        };
        let of_kind: fn(Option<usize>) -> Self = match kind {
            "flex" => |_| DeviceName::Flex,
            "ndarray" => |_| DeviceName::NdArray,
            "wgpu" => DeviceName::Wgpu,
            "cuda" => DeviceName::Cuda,
            "rocm" => DeviceName::Rocm,
            "metal" => DeviceName::Metal,
            "vulkan" => DeviceName::Vulkan,
            _ => return Err(refusal(kind, &NAMES)),
        };
        let Some(number) = number else { return Ok(of_kind(None)) };
        if of_kind(None).is_processor() {
            return Err(format!("there is one {kind}, without a number, got {text:?}"));
        }
        // More than a machine has, and less than would be a slip of the pen.
        match number.parse() {
            Ok(number) if number < 1024 => Ok(of_kind(Some(number))),
            _ => Err(format!("expected {kind}:0 or another number below 1024, got {text:?}")),
        }
    }
}

impl Serialize for DeviceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for DeviceName {
    fn schema_name() -> Cow<'static, str> {
        "DeviceName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": format!("^({})(:[0-9]+)?$", NAMES.join("|")) })
    }
}

#[cfg(feature = "wgpu")]
mod wgpu {
    //! Graphics processors through wgpu.

    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex, PoisonError};

    use burn::tensor::wgpu::WgpuInitError::AdapterUnavailable;
    use burn::tensor::wgpu::wgpu::Backend;
    use burn::tensor::{Device, DeviceKind};

    use super::{DeviceName, unavailable};
    use crate::error::Error;

    const NO_DEVICE: &str = "no Vulkan, Metal or DirectX device found; without a GPU, Mesa's software device will do (Debian: \
         apt-get install mesa-vulkan-drivers)";

    /// What became of each that was asked for.
    type Opened = HashMap<DeviceName, Result<Device, String>>;

    /// The device of a name: brought up before a tensor does, which turns Burn's panics into errors. It can be
    /// done once.
    pub(super) fn open(name: DeviceName) -> Result<Device, Error> {
        static DEVICES: LazyLock<Mutex<Opened>> = LazyLock::new(Mutex::default);
        let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
        let device = devices.entry(name).or_insert_with(|| first(name));
        device.clone().map_err(|problem| unavailable(name, problem))
    }

    fn first(name: DeviceName) -> Result<Device, String> {
        let options = Device::wgpu_options();
        let options = match name.number() {
            Some(number) => options.device_kind(DeviceKind::DiscreteGpu(number)),
            None => options,
        };
        let options = match name {
            #[cfg(feature = "metal")]
            DeviceName::Metal(_) => options.graphics_api(burn::tensor::wgpu::WgpuBackend::Metal),
            #[cfg(feature = "vulkan")]
            DeviceName::Vulkan(_) => options.graphics_api(burn::tensor::wgpu::WgpuBackend::Vulkan),
            _ => options,
        };
        match options.init_with_setup() {
            // OpenGL is what wgpu falls back to; it lacks what Burn's kernels need.
            Ok((_, setup)) if setup.backend == Backend::Gl => Err(NO_DEVICE.to_string()),
            Ok((device, _)) => Ok(device),
            Err(AdapterUnavailable { .. }) => Err(NO_DEVICE.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A device that has answered: without its driver, Burn panics at the first tensor.
#[cfg(any(feature = "cuda", feature = "rocm"))]
fn answering(name: DeviceName, device: impl Fn() -> Device) -> Result<Device, Error> {
    use burn::tensor::Tensor;

    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let answered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let device = device();
        Tensor::<1>::zeros([1], &device).into_data();
        device
    }));
    std::panic::set_hook(hook);
    answered.map_err(|_| {
        let problem = "no such device, or no driver for it; the vendor's tools, such as nvidia-smi or \
                       rocm-smi, say which there are";
        unavailable(name, problem.to_owned())
    })
}

/// Whether the device computes in 64 bits. Burn says so of GPUs whose driver could, but its shaders
/// then give wrong numbers there.
pub fn has_64_bits(device: &Device) -> bool {
    // Only GPUs have an identity.
    #[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
    if device.identity().is_some() {
        return false;
    }
    device.supports_dtype(DType::F64)
}

/// What is said of a device that this program was built without.
fn without(device: DeviceName) -> Error {
    let name = device.kind();
    let problem = format!(
        "this program was built without it; in a clone, `cargo xtask … --device {name}` builds \
         with it, as does `cargo install --path crates/cobasis-cli --features {name}`"
    );
    unavailable(device, problem)
}

fn unavailable(device: DeviceName, problem: String) -> Error {
    Error::Device { device: device.to_string(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_number_where_there_may_be_several() {
        for text in
            ["flex", "ndarray", "wgpu", "wgpu:0", "cuda:1", "rocm:7", "metal", "vulkan:1023"]
        {
            assert_eq!(text.parse::<DeviceName>().map(|name| name.to_string()), Ok(text.into()));
        }
        let refused = |text: &str| text.parse::<DeviceName>().expect_err("no device");
        assert!(refused("cude:1").ends_with("got \"cude\"; did you mean \"cuda\"?"));
        assert_eq!(refused("flex:1"), "there is one flex, without a number, got \"flex:1\"");
        for text in ["cuda:", "cuda:-1", "cuda:1024", "cuda:99999999999999999999", "cuda:1:2"] {
            let expected = "expected cuda:0 or another number below 1024, got ";
            assert!(refused(text).starts_with(expected), "{text}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn what_was_not_built_says_how_to_build_it() {
        let error = DeviceName::Cuda(Some(1)).open().expect_err("not built");
        assert_eq!(error.exit_code(), 2);
        let line = error.line();
        assert!(line.starts_with("--device cuda:1: this program was built without it"), "{line}");
        assert!(line.ends_with("--features cuda`"), "{line}");
    }
}
