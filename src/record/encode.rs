use crate::config::{LrScheduleRecord, Precision, Recorder};
use crate::device::Backend as DeviceBackend;
use crate::error::{Error, Result};
use crate::network::{AnyNetwork, Network, WithNetwork};
use burn::record::{
    BinFileRecorder, BinGzFileRecorder, BurnRecord, DefaultFileRecorder, DoublePrecisionSettings,
    FullPrecisionSettings, HalfPrecisionSettings, JsonGzFileRecorder, NamedMpkFileRecorder,
    NamedMpkGzFileRecorder, PrecisionSettings, PrettyJsonFileRecorder, Record,
    Recorder as BurnRecorder,
};
use burn::tensor::backend::Backend;
use serde::Serialize;
use std::io::Write;

/// The bytes that Burn's recorder of that name writes for the network, as it is in a Burn program of its own.
pub(crate) fn encode<B: DeviceBackend>(
    network: AnyNetwork<B>,
    recorder: Recorder,
    precision: Precision,
) -> Result<Vec<u8>> {
    struct Encode(Recorder, Precision);

    impl<B: DeviceBackend> WithNetwork<B> for Encode {
        type Output = Result<Vec<u8>>;

        fn run<N: Network<B>>(self, network: N) -> Result<Vec<u8>> {
            let Self(recorder, precision) = self;
            let record = network.into_record();
            match precision {
                Precision::Half => encode_record::<B, HalfPrecisionSettings, _>(record, recorder),
                Precision::Full => encode_record::<B, FullPrecisionSettings, _>(record, recorder),
                Precision::Double => {
                    encode_record::<B, DoublePrecisionSettings, _>(record, recorder)
                }
            }
        }
    }

    network.with(Encode(recorder, precision))
}

/// The bytes for the state of a learning-rate schedule.
pub(crate) fn encode_scheduler<B: Backend>(
    record: LrScheduleRecord,
    recorder: Recorder,
) -> Result<Vec<u8>> {
    encode_item::<B, FullPrecisionSettings>(&record, recorder)
}

fn encode_record<B: Backend, S: PrecisionSettings, R: Record<B>>(
    record: R,
    recorder: Recorder,
) -> Result<Vec<u8>> {
    encode_item::<B, S>(&record.into_item::<S>(), recorder)
}

/// The item below the metadata that names Burn's recorder.
pub(super) fn encode_item<B: Backend, S: PrecisionSettings>(
    item: impl Serialize,
    recorder: Recorder,
) -> Result<Vec<u8>> {
    let bytes = match recorder {
        Recorder::Compact | Recorder::Default => message_pack::<B, DefaultFileRecorder<S>>(item),
        Recorder::NamedMpk => message_pack::<B, NamedMpkFileRecorder<S>>(item),
        Recorder::NamedMpkGz => message_pack::<B, NamedMpkGzFileRecorder<S>>(item),
        Recorder::Bin => bincode::<B, BinFileRecorder<S>>(item),
        Recorder::BinGz => bincode::<B, BinGzFileRecorder<S>>(item),
        Recorder::Json => json::<B, PrettyJsonFileRecorder<S>>(item, true),
        Recorder::JsonGz => json::<B, JsonGzFileRecorder<S>>(item, false),
    }?;
    if recorder.is_compressed() {
        compress(&bytes)
    } else {
        Ok(bytes)
    }
}

fn message_pack<B: Backend, R: BurnRecorder<B>>(item: impl Serialize) -> Result<Vec<u8>> {
    rmp_serde::encode::to_vec_named(&BurnRecord::<_, B>::new::<R>(item)).map_err(not_encoded)
}

fn bincode<B: Backend, R: BurnRecorder<B>>(item: impl Serialize) -> Result<Vec<u8>> {
    bincode::serde::encode_to_vec(
        BurnRecord::<_, B>::new::<R>(item),
        bincode::config::standard(),
    )
    .map_err(not_encoded)
}

fn json<B: Backend, R: BurnRecorder<B>>(item: impl Serialize, indented: bool) -> Result<Vec<u8>> {
    let record = BurnRecord::<_, B>::new::<R>(item);
    if indented {
        serde_json::to_vec_pretty(&record)
    } else {
        serde_json::to_vec(&record)
    }
    .map_err(not_encoded)
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(not_encoded)
}

fn not_encoded(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("a record could not be encoded: {error}"))
}
