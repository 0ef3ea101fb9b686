//! The decoders of this build, and what they are called.

use std::sync::LazyLock;

use symphonia::core::codecs::audio::{AudioCodecId, well_known as id};
use symphonia::core::codecs::registry::CodecRegistry;

/// File extensions that this build can decode, lower case and sorted.
///
/// An extension is only a hint: what a file is, its bytes decide. (An `.ogg` file may hold Opus,
/// which needs the feature `opus`.)
pub const EXTENSIONS: &[&str] = &[
    "aac",
    "aif",
    "aifc",
    "aiff",
    "flac",
    "m4a",
    "m4b",
    "mp3",
    "mp4",
    "oga",
    "ogg",
    #[cfg(feature = "opus")]
    "opus",
    "wav",
    "wave",
];

/// Every decoder of this build.
pub(crate) static REGISTRY: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    #[cfg(feature = "opus")]
    registry.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
    registry
});

/// Codecs that containers may name though no decoder of this build reads them.
const FOREIGN: &[(AudioCodecId, &str)] = &[
    (id::CODEC_ID_OPUS, "opus"),
    (id::CODEC_ID_SPEEX, "speex"),
    (id::CODEC_ID_MP1, "mp1"),
    (id::CODEC_ID_MP2, "mp2"),
    (id::CODEC_ID_AC3, "ac3"),
    (id::CODEC_ID_EAC3, "eac3"),
    (id::CODEC_ID_AC4, "ac4"),
    (id::CODEC_ID_DCA, "dts"),
    (id::CODEC_ID_WMA, "wma"),
    (id::CODEC_ID_WAVPACK, "wavpack"),
    (id::CODEC_ID_TTA, "tta"),
    (id::CODEC_ID_TRUEHD, "truehd"),
];

/// Short name of a codec, such as `mp3` or `pcm_s16le`.
pub(crate) fn codec_name(codec: AudioCodecId) -> String {
    if let Some(decoder) = REGISTRY.get_audio_decoder(codec) {
        return decoder.codec.info.short_name.to_owned();
    }
    FOREIGN
        .iter()
        .find(|(known, _)| *known == codec)
        .map_or_else(|| format!("unknown codec {codec}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_sorted_and_lower_case() {
        assert!(EXTENSIONS.is_sorted());
        assert!(EXTENSIONS.iter().all(|extension| *extension == extension.to_lowercase()));
        assert_eq!(EXTENSIONS.contains(&"opus"), cfg!(feature = "opus"));
    }

    #[test]
    fn codecs_without_a_decoder_have_a_name_too() {
        assert_eq!(codec_name(id::CODEC_ID_OPUS), "opus");
        assert_eq!(codec_name(id::CODEC_ID_DCA), "dts");
        assert_eq!(codec_name(id::CODEC_ID_PCM_S16LE), "pcm_s16le");
    }
}
