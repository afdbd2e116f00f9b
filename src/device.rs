//! Devices by name, and what this build and this machine offer.

use crate::error::{Error, Result};
use burn::tensor::backend::Backend;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Where a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The processor, through burn-flex.
    Cpu,
}

/// What can be asked for, in words for messages.
const NAMES: &str = "\"auto\" and \"cpu\"";
/// Devices that this version knows of but can't use.
const LATER: [&str; 4] = ["wgpu", "vulkan", "metal", "cuda"];

/// A device as it is listed.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// The string that chooses it.
    pub device: String,
    /// `cpu`, `integrated`, `discrete`, `virtual` or `software`.
    pub kind: &'static str,
    /// The name its maker or driver gives it.
    pub name: String,
    /// Why it can't be used here; `None` when it can.
    pub reason: Option<String>,
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" | "cpu" => available_cpu(),
            other => {
                let kind = other.split(':').next().unwrap_or(other);
                let shown: String = other.chars().take(40).collect();
                Err(Error::Device(if LATER.contains(&kind) {
                    format!(
                        "the device must be one of this build's, {NAMES}: it has no back end for {shown:?}"
                    )
                } else {
                    format!("the device must be one of {NAMES}, got {shown:?}")
                }))
            }
        }
    }
}

#[cfg(feature = "cpu")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "it fails in a build without the back end"
)]
fn available_cpu() -> Result<Device> {
    Ok(Device::Cpu)
}

#[cfg(not(feature = "cpu"))]
fn available_cpu() -> Result<Device> {
    Err(Error::Device(
        "this build has no CPU back end: build with the Cargo feature `cpu`".into(),
    ))
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cpu => "cpu",
        })
    }
}

impl Device {
    /// The devices that this build knows, with the reason for each that can't be used.
    pub fn list() -> Vec<DeviceInfo> {
        let reason = available_cpu().err().map(|error| error.to_string());
        vec![DeviceInfo {
            device: "cpu".into(),
            kind: "cpu",
            name: cpu_name(),
            reason,
        }]
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
        #[cfg(not(feature = "cpu"))]
        Device::Cpu => {
            let _ = work;
            available_cpu().and(Err(Error::Internal("no back end".into())))
        }
    }
}

/// Burn looks for a `burn.toml` in and above the working directory when it is first used, and panics at a malformed
/// one: a configuration that is already set keeps it from looking.
fn ignore_configuration_files() {
    use burn_std::config::{BurnConfig, RuntimeConfig};
    BurnConfig::storage()
        .lock()
        .get_or_insert_with(|| Arc::new(BurnConfig::default()));
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
        for text in ["", "CPU ", "gpu", "mps", "cpu:1", "\u{fc}"] {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert!(
                error.contains(NAMES) && error.contains(&format!("{text:?}")),
                "{error}"
            );
        }
        let error = "x"
            .repeat(10_000_000)
            .parse::<Device>()
            .unwrap_err()
            .to_string();
        assert!(error.len() < 200);
    }

    #[test]
    fn back_ends_of_other_builds_are_refused_as_such() {
        for text in ["cuda", "cuda:-1", "wgpu:99", "vulkan", "metal"] {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert!(error.contains("no back end for"), "{error}");
        }
    }
}
