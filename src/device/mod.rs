//! Devices by name, and what this build and this machine offer.

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "wgpu")]
mod wgpu;

use crate::error::{Error, Result};
use burn::tensor::backend::Backend;
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

    /// `"cpu"`, `"wgpu"`, `"cuda"`, the last two with an index as in `"cuda:1"`, and `"auto"`:
    /// the CPU, and in a build without it the first device there is.
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
            ("auto", _) if text == kind => check_cpu()
                .map(|()| Self::Cpu)
                .or_else(|_| check_wgpu(0).map(|()| Self::Wgpu(0)))
                .or_else(|_| check_cuda(0).map(|()| Self::Cuda(0))),
            ("cpu", _) if text == kind => check_cpu().map(|()| Self::Cpu),
            ("wgpu", Some(index)) => check_wgpu(index).map(|()| Self::Wgpu(index)),
            ("cuda", Some(index)) => check_cuda(index).map(|()| Self::Cuda(index)),
            _ => {
                let shown: String = text.chars().take(40).collect();
                Err(Error::Device(format!(
                    "the device must be \"auto\", \"cpu\", \"wgpu\" or \"cuda\", the last two with an index as in \"cuda:1\" \
                     where there are several, got {shown:?}"
                )))
            }
        }
    }
}

#[cfg(feature = "cpu")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "it fails in a build without the back end"
)]
fn check_cpu() -> Result<()> {
    Ok(())
}

#[cfg(not(feature = "cpu"))]
fn check_cpu() -> Result<()> {
    Err(not_built("cpu"))
}

#[cfg(feature = "wgpu")]
fn check_wgpu(index: usize) -> Result<()> {
    wgpu::adapter(index).map(drop)
}

#[cfg(not(feature = "wgpu"))]
fn check_wgpu(_index: usize) -> Result<()> {
    Err(not_built("wgpu"))
}

#[cfg(feature = "cuda")]
fn check_cuda(index: usize) -> Result<()> {
    cuda::check(index)
}

#[cfg(not(feature = "cuda"))]
fn check_cuda(_index: usize) -> Result<()> {
    Err(not_built("cuda"))
}

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

impl Device {
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

    fn run<B: Backend>(self, device: Device, burn_device: &B::Device) -> Result<Self::Output>;
}

/// Does `work` on the back end of `device`: the one place where names become types.
pub(crate) fn on_backend<W: OnBackend>(device: Device, work: W) -> Result<W::Output> {
    ignore_configuration_files();
    match device {
        #[cfg(feature = "cpu")]
        Device::Cpu => work.run::<burn::backend::Flex>(device, &burn::backend::flex::FlexDevice),
        #[cfg(feature = "wgpu")]
        Device::Wgpu(index) => {
            work.run::<burn::backend::Wgpu>(device, &wgpu::adapter(index)?.device)
        }
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => {
            work.run::<burn::backend::Cuda>(device, &burn::backend::cuda::CudaDevice::new(index))
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
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    {
        use cubecl_runtime::config::CubeClRuntimeConfig;
        use cubecl_runtime::config::cache::CacheConfig;
        CubeClRuntimeConfig::storage()
            .lock()
            .get_or_insert_with(|| {
                let mut config = CubeClRuntimeConfig::default();
                // What autotuning finds out belongs to the user, not to the directory that happens to be the current one.
                let cache = dirs::cache_dir()
                    .unwrap_or_else(std::env::temp_dir)
                    .join("mnistburn");
                config.autotune.cache = CacheConfig::File(cache);
                Arc::new(config)
            });
    }
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
            "", "CPU ", "gpu", "mps", "cpu:1", "auto:0", "cuda:-1", "cuda:x", "wgpu:+1", "wgpu:01",
            "\u{fc}",
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
        for text in ["cuda:99", "wgpu:99"] {
            assert!(
                matches!(text.parse::<Device>(), Err(Error::Device(_))),
                "{text}"
            );
        }
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
