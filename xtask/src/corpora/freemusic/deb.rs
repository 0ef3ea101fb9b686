//! Debian package files: an `ar` archive whose member `data.tar.*` holds the files.
//!
//! The members are read here and not with the crate `ar`, which takes the lengths in GNU and BSD
//! name tables on trust: it allocates what they claim and slices where they point.

use std::io::{self, BufReader, Read};

use anyhow::{Context, Result, bail};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER_BYTES: usize = 60;
const BUFFER_BYTES: usize = 64 * 1024;
/// Packages are written with dictionaries of up to 64 MiB; a header may claim 4 GiB.
const MAX_DECODER_KIB: u32 = 256 * 1024;
/// Likewise for zstd, as the logarithm of a window of 128 MiB.
const MAX_WINDOW_LOG: u32 = 27;

/// The files of a package as a tar stream, decompressed on the way; ends in an error once it has
/// given `limit` bytes.
///
/// # Errors
///
/// If this is no Debian package, or its data are compressed in an unknown way.
pub(super) fn open_data<'a>(mut deb: impl Read + 'a, limit: u64) -> Result<Box<dyn Read + 'a>> {
    let mut magic = [0; MAGIC.len()];
    deb.read_exact(&mut magic).context("not a Debian package: it is too short")?;
    if &magic != MAGIC {
        bail!("not a Debian package: it is no ar archive");
    }
    for place in 0.. {
        let (name, size) = read_header(&mut deb)?;
        if (place == 0) != (name == "debian-binary") {
            bail!("not a Debian package: its member {} is `{name}`", place + 1);
        }
        if let Some(suffix) = name.strip_prefix("data.tar") {
            let data = BufReader::with_capacity(BUFFER_BYTES, deb.take(size));
            return Ok(Box::new(Bounded { inner: decompress(data, suffix)?, left: limit, limit }));
        }
        let padded = size + size % 2;
        let skipped = io::copy(&mut deb.by_ref().take(padded), &mut io::sink())?;
        if skipped < padded {
            bail!("the package is cut short");
        }
        // A package has three members, and vendors may add a few of their own.
        if place > 16 {
            break;
        }
    }
    bail!("not a Debian package: it has no data member")
}

fn read_header(deb: &mut impl Read) -> Result<(String, u64)> {
    let mut header = [0; HEADER_BYTES];
    deb.read_exact(&mut header).context("the package is cut short")?;
    let field = |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).ok();
    let name = field(0..16).map(|text| text.trim_end().trim_end_matches('/'));
    let size = field(48..58).and_then(|text| text.trim_end().parse().ok());
    match (name, size) {
        (Some(name), Some(size)) if header.ends_with(b"`\n") => Ok((name.to_owned(), size)),
        _ => bail!("the package is damaged: a member's header makes no sense"),
    }
}

fn decompress<'a>(data: impl io::BufRead + 'a, suffix: &str) -> Result<Box<dyn Read + 'a>> {
    Ok(match suffix {
        "" => Box::new(data),
        ".gz" => Box::new(flate2::bufread::MultiGzDecoder::new(data)),
        ".xz" => Box::new(lzma_rust2::XzReader::new_mem_limit(data, true, MAX_DECODER_KIB)),
        ".zst" => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(data)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Box::new(decoder)
        }
        other => bail!("the package's data are compressed in an unknown way: `data.tar{other}`"),
    })
}

/// A reader that fails, and does not merely end, after so many bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let text = format!("the package unpacks to more than {} bytes", self.limit);
            return Err(io::Error::other(text));
        }
        let longest = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..longest])?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_packages::{Compression, deb_of_members, package};
    use super::*;

    fn unpacked(deb: &[u8], limit: u64) -> Result<Vec<u8>> {
        let mut tar = Vec::new();
        open_data(deb, limit)?.read_to_end(&mut tar)?;
        Ok(tar)
    }

    fn error_of(deb: &[u8]) -> String {
        format!("{:#}", unpacked(deb, 1 << 20).unwrap_err())
    }

    #[test]
    fn every_compression_gives_the_same_files() {
        let files = [("usr/share/a.ogg", &b"music"[..])];
        let plain = unpacked(&package(&files, Compression::None), 1 << 20).unwrap();
        for compression in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
            let deb = package(&files, compression);
            assert_eq!(unpacked(&deb, 1 << 20).unwrap(), plain, "{compression:?}");
        }
    }

    #[test]
    fn a_package_that_swells_ends_in_an_error() {
        let zeros = vec![0; 1 << 20];
        for compression in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
            let deb = package(&[("a", &zeros)], compression);
            assert!(deb.len() < 20_000, "{compression:?}: {}", deb.len());
            assert!(error_of(&deb).contains("more than 1048576 bytes"), "{}", error_of(&deb));
        }
    }

    #[test]
    fn a_package_cut_anywhere_is_an_error() {
        let deb = package(&[("usr/share/a.ogg", &[7; 3000])], Compression::Xz);
        for end in 0..deb.len() - 1 {
            assert!(unpacked(&deb[..end], 1 << 20).is_err(), "cut at {end} of {}", deb.len());
        }
    }

    #[test]
    fn what_is_no_package_is_told_so() {
        assert!(error_of(b"").contains("too short"));
        assert!(error_of(b"PK\x03\x04 is a zip archive").contains("no ar archive"));
        let object = deb_of_members(&[("main.o", b"")]);
        assert!(error_of(&object).contains("`main.o`"));
        let strange = deb_of_members(&[("debian-binary", b"2.0\n"), ("data.tar.lrz", b"")]);
        assert!(error_of(&strange).contains("data.tar.lrz"));
        let empty = deb_of_members(&[("debian-binary", b"2.0\n")]);
        assert!(error_of(&empty).contains("cut short"));
    }

    #[test]
    fn lengths_that_lie_allocate_nothing() {
        for name in ["//", "#1/999999999", "/999999999"] {
            let mut deb = deb_of_members(&[("debian-binary", b"2.0\n")]);
            deb.extend_from_slice(format!("{name:<48}{:<10}`\n", 9_999_999_999_u64).as_bytes());
            assert!(error_of(&deb).contains("cut short"), "{}", error_of(&deb));
        }
    }

    #[test]
    fn a_dictionary_that_no_package_needs_is_refused() {
        let deb = package(&[("a", b"music")], Compression::XzWithHugeDictionary);
        let error = unpacked(&deb, 1 << 20).unwrap_err().downcast::<io::Error>().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{error}");
    }
}
