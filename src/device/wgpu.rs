//! Graphics adapters, found without CubeCL, which panics where there is none.

use super::{Device, DeviceInfo, process};
use crate::error::{Error, Result};
use burn::backend::wgpu::WgpuDevice;
use std::sync::OnceLock;
use wgpu::{Backends, DeviceDescriptor, DeviceType, Instance, InstanceDescriptor};

/// The interface that CubeCL uses on this system.
const INTERFACE: (&str, Backends) = if cfg!(target_os = "macos") {
    ("metal", Backends::METAL)
} else {
    ("vulkan", Backends::VULKAN)
};

/// A graphics adapter as Burn and as a person calls it.
pub(super) struct Adapter {
    pub device: WgpuDevice,
    pub kind: &'static str,
    pub name: String,
    handle: wgpu::Adapter,
    /// Why its driver gives no device; asked once.
    fault: OnceLock<Option<String>>,
}

impl Adapter {
    fn check(&self) -> Result<&Self> {
        let fault = self.fault.get_or_init(|| {
            let device = burn_std::future::block_on(
                self.handle.request_device(&DeviceDescriptor::default()),
            );
            device.err().map(|error| error.to_string())
        });
        match fault {
            None => Ok(self),
            Some(fault) => Err(Error::Device(format!(
                "the driver of the adapter {:?} gives no device: {fault}; update it, or use \"cpu\"",
                self.name
            ))),
        }
    }
}

/// The adapters that CubeCL would use here: real GPUs first, the software ones last. Looked for once: it takes a while to
/// load drivers, and an index must not change its meaning.
fn adapters() -> &'static [Adapter] {
    static ADAPTERS: OnceLock<Vec<Adapter>> = OnceLock::new();
    ADAPTERS.get_or_init(find_adapters)
}

fn find_adapters() -> Vec<Adapter> {
    // Who only lists them has the driver's connection too. A process that may not have it is refused where it uses one.
    let _ = process::check(Device::Wgpu(0));
    let instance = Instance::new(InstanceDescriptor {
        backends: INTERFACE.1,
        ..InstanceDescriptor::new_without_display_handle()
    });
    let found = burn_std::future::block_on(instance.enumerate_adapters(INTERFACE.1));
    let mut adapters = Vec::new();
    for kind in [
        DeviceType::DiscreteGpu,
        DeviceType::IntegratedGpu,
        DeviceType::VirtualGpu,
        DeviceType::Cpu,
    ] {
        // Burn tells several of a kind apart by their number, but not of the last one.
        let most = if kind == DeviceType::Cpu {
            1
        } else {
            usize::MAX
        };
        let same = found
            .iter()
            .filter(|adapter| adapter.get_info().device_type == kind)
            .take(most);
        adapters.extend(same.enumerate().map(|(number, adapter)| {
            let (kind, device) = match kind {
                DeviceType::DiscreteGpu => ("discrete", WgpuDevice::DiscreteGpu(number)),
                DeviceType::IntegratedGpu => ("integrated", WgpuDevice::IntegratedGpu(number)),
                DeviceType::VirtualGpu => ("virtual", WgpuDevice::VirtualGpu(number)),
                _ => ("software", WgpuDevice::Cpu),
            };
            Adapter {
                device,
                kind,
                name: adapter.get_info().name,
                handle: adapter.clone(),
                fault: OnceLock::new(),
            }
        }));
    }
    adapters
}

/// The adapter at a place of the list.
pub(super) fn adapter(index: usize) -> Result<&'static Adapter> {
    let adapters = adapters();
    let adapter = adapters.get(index).ok_or_else(|| {
        Error::Device(match adapters.len() {
            0 => none(),
            count => format!(
                "the index of a wgpu device must be below the number of adapters of this machine, {count}, got {index}; \
                 mnistburn devices lists them"
            ),
        })
    })?;
    adapter.check()
}

fn none() -> String {
    let driver = if cfg!(target_os = "macos") {
        "Metal finds none"
    } else if cfg!(target_os = "linux") {
        "Vulkan finds none; install the Vulkan loader (Debian: libvulkan1) and the driver of the GPU"
    } else {
        "Vulkan finds none; install the driver of the GPU"
    };
    format!("the device \"wgpu\" needs a graphics adapter, and {driver}, or use \"cpu\"")
}

/// The first adapter that is not a program on the processor.
pub(super) fn first_gpu() -> Result<usize> {
    let gpus = || {
        let gpu = |(_, adapter): &(usize, &Adapter)| adapter.kind != "software";
        adapters().iter().enumerate().filter(gpu)
    };
    let works = gpus().find(|(_, adapter)| adapter.check().is_ok());
    match works.or_else(|| gpus().next()) {
        Some((index, adapter)) => adapter.check().map(|_| index),
        None => Err(Error::Device(match adapters().first() {
            None => none(),
            Some(adapter) => format!(
                "the device \"wgpu\" would compute on the processor ({}), more slowly than \"cpu\"; ask for it by its name",
                adapter.name
            ),
        })),
    }
}

/// Checks that `interface` is the one of this system.
pub(super) fn check_interface(interface: &str) -> Result<()> {
    if interface == INTERFACE.0 {
        return Ok(());
    }
    Err(Error::Device(format!(
        "the device {interface:?} is not there on {}, where wgpu uses {}; use {:?} or \"wgpu\"",
        std::env::consts::OS,
        INTERFACE.0,
        INTERFACE.0
    )))
}

pub(super) fn list() -> Vec<DeviceInfo> {
    if adapters().is_empty() {
        return vec![DeviceInfo::missing("wgpu", &Error::Device(none()))];
    }
    let adapters = adapters().iter().enumerate();
    adapters
        .map(|(index, adapter)| DeviceInfo {
            device: Device::Wgpu(index).to_string(),
            kind: adapter.kind,
            name: adapter.name.clone(),
            reason: adapter.check().err().map(|error| error.to_string()),
        })
        .collect()
}
