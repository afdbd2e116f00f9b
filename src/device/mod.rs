//! Devices by name, and what this build and this machine offer.

mod backend;
#[cfg(feature = "cuda")]
mod cuda;
mod process;
mod turn;
#[cfg(feature = "wgpu")]
mod wgpu;

pub use backend::{AutodiffBackend, Backend};
pub(crate) use process::check as check_process;
pub(crate) use turn::{Kept, in_turn, in_turns, on_stream, pass, without_turns};

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Where a model computes: a device that was there when its name was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The processor, through burn-flex.
    Cpu,
    /// A graphics adapter, by its place in the list; through burn-wgpu.
    Wgpu(usize),
    /// An NVIDIA GPU, by the driver's index; through burn-cuda.
    Cuda(usize),
}

/// A device as it is listed.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// The string that chooses it.
    pub device: String,
    /// `cpu`, `integrated`, `discrete`, `virtual` or `software`; `missing` for a back end without a device.
    pub kind: &'static str,
    /// The name its maker or driver gives it; empty where there is none to ask.
    pub name: String,
    /// Why it can't be used here; `None` when it can.
    pub reason: Option<String>,
}

impl FromStr for Device {
    type Err = Error;

    /// `"cpu"`; `"wgpu"` or, by the interface it uses on this system, `"vulkan"` or `"metal"`; `"cuda"`; all but the CPU with
    /// an index as in `"cuda:1"`; and `"auto"`, which is what [`Device::choose`] chooses.
    fn from_str(text: &str) -> Result<Self> {
        let (kind, index) = match text.split_once(':') {
            None => (text, Some(0)),
            // A device has neither a sign nor leading zeros.
            Some((kind, index)) => (
                kind,
                index
                    .parse()
                    .ok()
                    .filter(|number: &usize| number.to_string() == index),
            ),
        };
        match (kind, index) {
            ("auto", _) if text == kind => Ok(Self::choose()?.device),
            ("cpu", _) if text == kind => check_cpu().map(|()| Self::Cpu),
            ("wgpu", Some(index)) => check_wgpu(index).map(|()| Self::Wgpu(index)),
            ("vulkan" | "metal", Some(index)) => check_interface(kind)
                .and_then(|()| check_wgpu(index))
                .map(|()| Self::Wgpu(index)),
            ("cuda", Some(index)) => check_cuda(index).map(|()| Self::Cuda(index)),
            _ => {
                let shown: String = text.chars().take(40).collect();
                Err(Error::Device(format!(
                    "the device must be \"auto\", \"cpu\", \"wgpu\", \"vulkan\", \"metal\" or \"cuda\", the last four with an \
                     index as in \"cuda:1\" where there are several, got {shown:?}"
                )))
            }
        }
    }
}

/// What computes on the CPU: the name of an instruction set, or `burn` for Burn's own operations.
#[cfg(feature = "cpu")]
pub fn cpu_kernels() -> Result<&'static str> {
    let level = crate::kernels::cpu::choice()?;
    Ok(level.map_or("burn", crate::kernels::cpu::Level::name))
}

/// What computes on the CPU, which this build has no back end for.
#[cfg(not(feature = "cpu"))]
pub fn cpu_kernels() -> Result<&'static str> {
    Err(not_built("cpu"))
}

#[cfg(feature = "cpu")]
fn check_cpu() -> Result<()> {
    crate::kernels::cpu::choice().map(drop)
}

#[cfg(not(feature = "cpu"))]
fn check_cpu() -> Result<()> {
    Err(not_built("cpu"))
}

#[cfg(feature = "wgpu")]
use wgpu::{check_interface, first_gpu};

#[cfg(feature = "wgpu")]
fn check_wgpu(index: usize) -> Result<()> {
    wgpu::adapter(index).map(drop)
}

#[cfg(not(feature = "wgpu"))]
mod without_wgpu {
    use super::{Result, not_built};

    pub fn check_wgpu(_index: usize) -> Result<()> {
        Err(not_built("wgpu"))
    }

    pub fn check_interface(_interface: &str) -> Result<()> {
        check_wgpu(0)
    }

    pub fn first_gpu() -> Result<usize> {
        check_wgpu(0).map(|()| 0)
    }
}
#[cfg(not(feature = "wgpu"))]
use without_wgpu::{check_interface, check_wgpu, first_gpu};

#[cfg(feature = "cuda")]
use cuda::{check as check_cuda, first as first_cuda};
#[cfg(feature = "cuda")]
pub use cuda::{
    check_compiler as check_cuda_compiler, driver as cuda_driver, toolkit as cuda_toolkit,
};

#[cfg(not(feature = "cuda"))]
mod without_cuda {
    use super::{Result, not_built};
    use std::path::PathBuf;

    pub fn check_cuda(_index: usize) -> Result<()> {
        Err(not_built("cuda"))
    }

    pub fn first_cuda() -> Result<usize> {
        check_cuda(0).map(|()| 0)
    }

    /// Checks that kernels can be compiled for CUDA; this build has no such back end.
    pub fn check_cuda_compiler(_architecture: &str) -> Result<()> {
        check_cuda(0)
    }

    /// Whether NVIDIA's driver can be loaded; this build would have no use for it.
    pub fn cuda_driver() -> bool {
        false
    }

    /// The CUDA toolkit of this machine; this build would have no use for it.
    pub fn cuda_toolkit() -> Option<PathBuf> {
        None
    }
}
#[cfg(not(feature = "cuda"))]
use without_cuda::{check_cuda, first_cuda};
#[cfg(not(feature = "cuda"))]
pub use without_cuda::{check_cuda_compiler, cuda_driver, cuda_toolkit};

#[cfg(not(all(feature = "cpu", feature = "wgpu", feature = "cuda")))]
fn not_built(feature: &str) -> Error {
    Error::Device(format!(
        "this build has no {feature} back end; build with the Cargo feature `{feature}`, or use another device"
    ))
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Wgpu(0) => formatter.write_str("wgpu"),
            Self::Wgpu(index) => write!(formatter, "wgpu:{index}"),
            Self::Cuda(0) => formatter.write_str("cuda"),
            Self::Cuda(index) => write!(formatter, "cuda:{index}"),
        }
    }
}

/// What [`Device::choose`] came to.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The device.
    pub device: Device,
    /// Why faster ones were passed over.
    pub reasons: Vec<String>,
}

impl Device {
    /// The fastest device that works here: an NVIDIA GPU through CUDA, else a real GPU through wgpu, else the CPU.
    pub fn choose() -> Result<Choice> {
        let candidates: [fn() -> Result<Self>; 3] = [
            || first_cuda().map(Self::Cuda),
            || first_gpu().map(Self::Wgpu),
            || check_cpu().map(|()| Self::Cpu),
        ];
        let mut reasons = Vec::new();
        for candidate in candidates {
            match candidate() {
                Ok(device) => return Ok(Choice { device, reasons }),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Err(Error::Device(format!(
            "no device can be used here: {}",
            reasons.join("; ")
        )))
    }

    /// The devices of this machine, and for each back end that has none the reason.
    pub fn list() -> Vec<DeviceInfo> {
        let cpu = DeviceInfo {
            device: "cpu".into(),
            kind: "cpu",
            name: cpu_name(),
            reason: check_cpu().err().map(|error| error.to_string()),
        };
        let mut list = vec![cpu];
        #[cfg(feature = "wgpu")]
        list.extend(wgpu::list());
        #[cfg(not(feature = "wgpu"))]
        list.push(DeviceInfo::missing("wgpu", &not_built("wgpu")));
        #[cfg(feature = "cuda")]
        list.extend(cuda::list());
        #[cfg(not(feature = "cuda"))]
        list.push(DeviceInfo::missing("cuda", &not_built("cuda")));
        list
    }
}

impl DeviceInfo {
    /// A back end without a device.
    fn missing(device: &str, error: &Error) -> Self {
        Self {
            device: device.into(),
            kind: "missing",
            name: String::new(),
            reason: Some(error.to_string()),
        }
    }
}

/// Work that is generic over the back end, to be done on a device chosen at run time.
pub(crate) trait OnBackend {
    type Output;

    /// Whether it takes the turns at its devices itself.
    const TAKES_TURNS: bool = false;

    fn run<B: Backend>(self, device: Device, burn_device: &B::Device) -> Result<Self::Output>;
}

/// Does `work` on the back end of `device`: the one place where names become types.
pub(crate) fn on_backend<W: OnBackend>(device: Device, work: W) -> Result<W::Output> {
    fn run<B: Backend, W: OnBackend>(device: Device, work: W) -> Result<W::Output> {
        let burn_device = B::device(device)?;
        if W::TAKES_TURNS {
            return work.run::<B>(device, &burn_device);
        }
        in_turn::<B, _>(&burn_device, || work.run::<B>(device, &burn_device))
    }

    ignore_configuration_files();
    process::check(device)?;
    match device {
        #[cfg(feature = "cpu")]
        Device::Cpu => {
            check_cpu()?;
            run::<burn::backend::Flex, W>(device, work)
        }
        #[cfg(feature = "wgpu")]
        Device::Wgpu(_) => {
            configure_gpus();
            run::<burn::backend::Wgpu, W>(device, work)
        }
        #[cfg(feature = "cuda")]
        Device::Cuda(_) => {
            configure_gpus();
            run::<burn::backend::Cuda, W>(device, work)
        }
        #[cfg(not(all(feature = "cpu", feature = "wgpu", feature = "cuda")))]
        other => Err(not_built(&other.to_string())),
    }
}

/// Burn and CubeCL look for a `burn.toml` and a `cubecl.toml` in and above the working directory when they are first
/// used, and panic at a malformed one: a configuration that is already set keeps them from looking.
fn ignore_configuration_files() {
    use burn_std::config::{BurnConfig, RuntimeConfig};
    BurnConfig::storage()
        .lock()
        .get_or_insert_with(|| Arc::new(BurnConfig::default()));
}

/// The same for CubeCL, which computes on GPUs alone.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn configure_gpus() {
    use burn_std::config::RuntimeConfig;
    use cubecl_runtime::config::CubeClRuntimeConfig;
    use cubecl_runtime::config::cache::CacheConfig;
    CubeClRuntimeConfig::storage()
        .lock()
        .get_or_insert_with(|| {
            let mut config = CubeClRuntimeConfig::default();
            config.autotune.cache = CacheConfig::File(cache_directory());
            // Each would have its own pools of memory, up to 128 of them, one for each thread that ever computed.
            config.streaming.max_streams = 1;
            Arc::new(config)
        });
}

/// Where what autotuning found out is kept: it belongs to the user, not to the directory that happens to be the current one.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn cache_directory() -> std::path::PathBuf {
    let process = format!("mnistburn-{}", std::process::id());
    let writable = |directory: &std::path::PathBuf| {
        let probe = directory.join(&process);
        std::fs::create_dir_all(directory).is_ok()
            && std::fs::write(&probe, "").is_ok()
            && std::fs::remove_file(&probe).is_ok()
    };
    dirs::cache_dir()
        .map(|directory| directory.join("mnistburn"))
        // CubeCL would wait half a minute for the lock of each file that it can't write.
        .filter(writable)
        .unwrap_or_else(|| std::env::temp_dir().join(process))
}

fn cpu_name() -> String {
    std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split(':').nth(1)?.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_devices_are_named_with_what_there_is() {
        for text in [
            "", "CPU ", "gpu", "mps", "cpu:1", "auto:0", "cuda:-1", "cuda:x", "wgpu:+1", "vulkan:",
            "metal:x", "wgpu:01", "\u{fc}",
        ] {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert!(
                error.contains("must be \"auto\"") && error.contains(&format!("{text:?}")),
                "{error}"
            );
        }
        let error = "x"
            .repeat(10_000_000)
            .parse::<Device>()
            .unwrap_err()
            .to_string();
        assert!(error.len() < 250);
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        for text in ["cuda:99", "wgpu:99", "vulkan:99", "metal:99"] {
            assert!(
                matches!(text.parse::<Device>(), Err(Error::Device(_))),
                "{text}"
            );
        }
    }

    #[test]
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    fn a_build_without_a_back_end_says_so() {
        for (text, feature) in [("wgpu", "wgpu"), ("vulkan:1", "wgpu"), ("cuda", "cuda")] {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert!(error.contains(&format!("no {feature} back end")), "{error}");
        }
        assert_eq!("auto".parse::<Device>().unwrap(), Device::Cpu);
    }

    #[test]
    fn every_back_end_is_listed_with_a_device_or_a_reason() {
        let list = Device::list();
        for kind in ["cpu", "wgpu", "cuda"] {
            assert!(
                list.iter().any(|device| device.device.starts_with(kind)),
                "{kind}"
            );
        }
        for device in list.iter().filter(|device| device.reason.is_none()) {
            assert_eq!(
                device.device.parse::<Device>().unwrap().to_string(),
                device.device
            );
        }
    }
}
