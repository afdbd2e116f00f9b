use super::Device;
use crate::error::{Error, Result};
use crate::kernels::Operations;
#[cfg(feature = "cpu")]
use crate::kernels::{Kernels, cpu};
use burn::backend::Autodiff;
use burn::tensor::backend;

/// A Burn back end that this crate is built with, and what it has to know of it.
pub trait Backend: Operations {
    /// Burn's name for a device; an error for a device of another back end.
    fn device(device: Device) -> Result<Self::Device>;
}

/// A [`Backend`] that records what it computes, for gradients.
pub trait AutodiffBackend: Backend + backend::AutodiffBackend<InnerBackend: Backend> {}

impl<B: Backend> Backend for Autodiff<B> {
    fn device(device: Device) -> Result<B::Device> {
        B::device(device)
    }
}

impl<B: Backend> AutodiffBackend for Autodiff<B> {}

#[cfg(feature = "cpu")]
impl Operations for burn::backend::Flex {
    const ON_HOST: bool = true;

    fn kernels() -> Kernels<Self> {
        cpu::chosen()
    }
}

#[cfg(feature = "cpu")]
impl Backend for burn::backend::Flex {
    fn device(device: Device) -> Result<Self::Device> {
        match device {
            Device::Cpu => Ok(burn::backend::flex::FlexDevice),
            other => Err(stranger(other, "cpu")),
        }
    }
}

#[cfg(feature = "wgpu")]
impl Operations for burn::backend::Wgpu {
    const ON_HOST: bool = false;
}

#[cfg(feature = "wgpu")]
impl Backend for burn::backend::Wgpu {
    fn device(device: Device) -> Result<Self::Device> {
        match device {
            Device::Wgpu(index) => Ok(super::wgpu::adapter(index)?.device.clone()),
            other => Err(stranger(other, "wgpu")),
        }
    }
}

#[cfg(feature = "cuda")]
impl Operations for burn::backend::Cuda {
    const ON_HOST: bool = false;
}

#[cfg(feature = "cuda")]
impl Backend for burn::backend::Cuda {
    fn device(device: Device) -> Result<Self::Device> {
        match device {
            Device::Cuda(index) => Ok(burn::backend::cuda::CudaDevice::new(index)),
            other => Err(stranger(other, "cuda")),
        }
    }
}

fn stranger(device: Device, backend: &str) -> Error {
    Error::Device(format!(
        "devices that train together must be of one back end, got {device} beside one of {backend}; choose devices of one kind"
    ))
}
