//! Packages made up for tests.

use std::io::{Cursor, Write};

use tar::{EntryType, Header};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Xz,
    /// As `Xz`, with a header that asks for a dictionary of 1 GiB.
    XzWithHugeDictionary,
    Zstd,
}

/// A package of regular files, with directories and a link among them as in real ones.
pub(super) fn package(files: &[(&str, &[u8])], compression: Compression) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, EntryType::Directory, b"./usr/", b"");
    append(&mut tar, EntryType::Symlink, b"./usr/link", b"");
    for (name, content) in files {
        append(&mut tar, EntryType::Regular, format!("./{name}").as_bytes(), content);
    }
    package_of_tar(&tar.into_inner().unwrap(), compression)
}

/// Appends an entry under any name, even one that `tar` would refuse to write.
pub(super) fn append(
    tar: &mut tar::Builder<Vec<u8>>,
    kind: EntryType,
    name: &[u8],
    content: &[u8],
) {
    if name.len() > 100 {
        let mut long = [name, b"\0"].concat();
        append_short(tar, EntryType::GNULongName, b"././@LongLink", &long);
        long.truncate(100);
        append_short(tar, kind, &long, content);
    } else {
        append_short(tar, kind, name, content);
    }
}

fn append_short(tar: &mut tar::Builder<Vec<u8>>, kind: EntryType, name: &[u8], content: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    if kind.is_symlink() {
        header.as_old_mut().linkname[..11].copy_from_slice(b"/etc/passwd");
    }
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

/// A package around a finished tar archive.
pub(super) fn package_of_tar(tar: &[u8], compression: Compression) -> Vec<u8> {
    let (name, data) = match compression {
        Compression::None => ("data.tar", tar.to_vec()),
        Compression::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(tar).unwrap();
            ("data.tar.gz", encoder.finish().unwrap())
        }
        Compression::Xz => ("data.tar.xz", xz(tar)),
        Compression::XzWithHugeDictionary => {
            let mut data = xz(tar);
            claim_dictionary_of_1_gib(&mut data);
            ("data.tar.xz", data)
        }
        Compression::Zstd => ("data.tar.zst", zstd::encode_all(tar, 3).unwrap()),
    };
    deb_of_members(&[("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), (name, &data)])
}

/// An `ar` archive.
pub(super) fn deb_of_members(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ar::Builder::new(Vec::new());
    for (name, content) in members {
        let header = ar::Header::new(name.as_bytes().to_vec(), content.len() as u64);
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A zip archive, as `.pk3` files are.
pub(super) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Rewrites the first block's header: its filter is LZMA2 (0x21) with one byte of properties.
fn claim_dictionary_of_1_gib(xz: &mut [u8]) {
    let header_bytes = (usize::from(xz[12]) + 1) * 4;
    let header = &mut xz[12..12 + header_bytes];
    let filter = header.windows(2).position(|pair| pair == [0x21, 1]).unwrap();
    header[filter + 2] = 36;
    let (fields, sum) = header.split_at_mut(header_bytes - 4);
    sum.copy_from_slice(&crc32(fields).to_le_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
    })
}
