//! Graphics adapters, found without CubeCL, which panics where there is none.

use super::DeviceInfo;
use crate::error::{Error, Result};
use burn::backend::wgpu::WgpuDevice;
use wgpu::{Backends, DeviceType, Instance, InstanceDescriptor};

/// A graphics adapter as Burn and as a person calls it.
#[derive(Clone)]
pub(super) struct Adapter {
    pub device: WgpuDevice,
    kind: &'static str,
    name: String,
}

/// The adapters that CubeCL would use here: real GPUs first, the software ones last.
fn adapters() -> Vec<Adapter> {
    let backends = if cfg!(target_os = "macos") {
        Backends::METAL
    } else {
        Backends::VULKAN
    };
    let instance = Instance::new(InstanceDescriptor {
        backends,
        ..InstanceDescriptor::new_without_display_handle()
    });
    let infos: Vec<_> = burn_std::future::block_on(instance.enumerate_adapters(backends))
        .iter()
        .map(wgpu::Adapter::get_info)
        .collect();
    let of_type = |device_type: DeviceType, kind: &'static str, device: fn(usize) -> WgpuDevice| {
        let same = infos
            .iter()
            .filter(move |info| info.device_type == device_type)
            .enumerate();
        same.map(move |(index, info)| Adapter {
            device: device(index),
            kind,
            name: info.name.clone(),
        })
        .collect::<Vec<Adapter>>()
    };
    [
        of_type(DeviceType::DiscreteGpu, "discrete", WgpuDevice::DiscreteGpu),
        of_type(
            DeviceType::IntegratedGpu,
            "integrated",
            WgpuDevice::IntegratedGpu,
        ),
        of_type(DeviceType::VirtualGpu, "virtual", WgpuDevice::VirtualGpu),
        of_type(DeviceType::Cpu, "software", |_| WgpuDevice::Cpu),
    ]
    .concat()
}

/// The adapter at a place of the list.
pub(super) fn adapter(index: usize) -> Result<Adapter> {
    let adapters = adapters();
    adapters.get(index).cloned().ok_or_else(|| {
        Error::Device(match adapters.len() {
            0 => "the device \"wgpu\" needs a graphics adapter with a Vulkan or Metal driver, found none; install the driver, or \
                  use \"cpu\""
                .into(),
            count => format!("the index of a wgpu device must be below the {count} adapters of this machine, got {index}"),
        })
    })
}

pub(super) fn list() -> Vec<DeviceInfo> {
    let list: Vec<DeviceInfo> = adapters()
        .into_iter()
        .enumerate()
        .map(|(index, adapter)| DeviceInfo {
            device: super::Device::Wgpu(index).to_string(),
            kind: adapter.kind,
            name: adapter.name,
            reason: None,
        })
        .collect();
    if !list.is_empty() {
        return list;
    }
    adapter(0)
        .err()
        .iter()
        .map(|error| DeviceInfo::missing("wgpu", error))
        .collect()
}
