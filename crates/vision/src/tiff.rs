//! Checks for TIFF files on which the decoder fails, or whose first image is not the intended one.

use std::io::Cursor;

use tiff::decoder::Decoder;
use tiff::tags::Tag;

use crate::{Fault, FaultKind};

/// Refuses files whose first image is only a preview, as in camera raw files, and layouts that the decoder
/// does not know. Returns whether colors are multiplied by their opacity.
///
/// # Errors
/// If the file is one of these. Other faults are left to the decoder.
pub(crate) fn check(bytes: &[u8]) -> Result<bool, Fault> {
    let refused =
        |what: &str| Err(Fault::new(FaultKind::Unsupported, format!("{what}; convert it to PNG or JPEG")));
    for Entry { tag, count, value } in entries(bytes) {
        // The decoder reserves memory for as many values as an entry claims.
        if count > bytes.len() as u64 {
            let what = "damaged image (its directory claims more than the file holds); export it again";
            return Err(Fault::new(FaultKind::Damaged, what));
        }
        // The decoder may fail for another reason before it finds these.
        match (Tag::from_u16_exhaustive(tag), value) {
            (Tag::Compression, OLD_JPEG) => {
                return refused("TIFF files with old-style JPEG compression are not supported");
            }
            (Tag::PhotometricInterpretation, PALETTE) => {
                return refused("TIFF files with a color palette are not supported");
            }
            _ => {}
        }
    }
    let Ok(mut decoder) = Decoder::new(Cursor::new(bytes)) else { return Ok(false) };
    let mut tag = |tag| decoder.find_tag_unsigned_vec::<u32>(tag).ok().flatten()?.first().copied();
    if tag(Tag::NewSubfileType).is_some_and(|kind| kind & 1 == 1) {
        return refused("the first image of this TIFF file is only a preview (camera raw?)");
    }
    if tag(Tag::PlanarConfiguration) == Some(2) && tag(Tag::TileWidth).is_some() {
        return refused("planar tiled TIFF files are not supported");
    }
    if tag(Tag::FillOrder) == Some(2) {
        return refused("TIFF files with LSB-first bit order are not supported");
    }
    Ok(tag(Tag::ExtraSamples) == Some(1))
}

/// Values of tags.
const OLD_JPEG: u64 = 6;
const PALETTE: u64 = 3;

/// An entry of a directory.
struct Entry {
    tag: u16,
    /// The number of values that it claims to have.
    count: u64,
    /// Its first value, if that is a 16-bit number beside its tag.
    value: u64,
}

/// Returns the entries of the first directory, up to the first that is truncated.
fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    let is_big_endian = bytes.starts_with(b"MM");
    let number = move |at: usize, length: usize| -> Option<u64> {
        let digits = bytes.get(at..at.checked_add(length)?)?.iter().map(|byte| u64::from(*byte));
        Some(match is_big_endian {
            true => digits.fold(0, |value, digit| value << 8 | digit),
            false => digits.rev().fold(0, |value, digit| value << 8 | digit),
        })
    };
    // BigTIFF has fields of 8 bytes where TIFF has 4, and of the number of entries 2.
    let is_big = number(2, 2) == Some(43);
    let (offset_at, wide, count_length) = if is_big { (8, 8, 8) } else { (4, 4, 2) };
    let directory = number(offset_at, wide).and_then(|offset| usize::try_from(offset).ok());
    let found = directory.and_then(|start| Some((start + count_length, number(start, count_length)?)));
    let (mut at, claimed) = found.unwrap_or((0, 0));
    (0..claimed).map_while(move |_| {
        let tag = number(at, 2)? as u16;
        let (count, value) = (number(at + 4, wide)?, number(at + 4 + wide, 2)?);
        at = at.checked_add(4 + 2 * wide)?;
        Some(Entry { tag, count, value })
    })
}

#[cfg(test)]
mod tests {
    use tiff::encoder::colortype::{ColorType, Gray8, RGBA8};
    use tiff::encoder::{TiffEncoder, TiffValue};

    use super::*;
    use crate::decode;

    fn file<C: ColorType<Inner = u8>>(pixels: &[u8], tag: Tag, value: impl TiffValue) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
        let mut image = encoder.new_image::<C>(2, 1).unwrap();
        image.encoder().write_tag(tag, value).unwrap();
        image.write_data(pixels).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn misleading_files_are_refused() {
        for (tag, value, why) in
            [(Tag::NewSubfileType, 1u16, "only a preview"), (Tag::FillOrder, 2, "LSB-first")]
        {
            let error = decode(&file::<Gray8>(&[7, 200], tag, value)).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(why), "{error}");
        }
        assert_eq!(decode(&file::<Gray8>(&[7, 200], Tag::FillOrder, 1u16)).unwrap().pixels(), [7, 200]);
    }

    /// Named although the decoder cannot open the first one, whose directory is its own successor.
    #[test]
    fn palettes_are_named() {
        let palette = file::<Gray8>(&[7, 200], Tag::ColorMap, &[0u16; 768][..]);
        let at = palette.windows(4).position(|entry| entry == [6, 1, 3, 0]).unwrap();
        let mut palette = palette;
        palette[at + 8] = 3;
        let directory: [u8; 4] = palette[4..8].try_into().unwrap();
        let end = u32::from_le_bytes(directory) as usize;
        let next = end + 2 + 12 * usize::from(palette[end]);
        palette[next..next + 4].copy_from_slice(&directory);
        let error = decode(&palette).unwrap_err().to_string();
        assert!(error.contains("color palette are not supported"), "{error}");
    }

    /// An entry of 2^24 values would make the decoder reserve 512 MiB.
    #[test]
    fn directories_that_claim_more_than_the_file_are_refused() {
        let whole = file::<Gray8>(&[7, 200], Tag::Orientation, 1u16);
        assert!(entries(&whole).count() > 8 && entries(&whole).all(|entry| entry.count < 9));
        let directory = u32::from_le_bytes(whole[4..8].try_into().unwrap()) as usize;
        let mut claiming = whole;
        claiming[directory + 2 + 12 * 2 + 7] = 1;
        let error = decode(&claiming).unwrap_err();
        assert!(error.to_string().contains("claims more than the file holds"), "{error}");
        assert_eq!(entries(b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0").count(), 0);
    }

    /// Half-opaque red, premultiplied and not.
    #[test]
    fn premultiplied_alpha_is_composited_on_white() {
        let half = [[128, 0, 0, 128], [0, 0, 0, 0]].concat();
        let image = decode(&file::<RGBA8>(&half, Tag::ExtraSamples, 1u16)).unwrap();
        assert_eq!(image.pixels(), [255, 127, 127, 255, 255, 255]);
        let image = decode(&file::<RGBA8>(&half, Tag::ExtraSamples, 2u16)).unwrap();
        assert_eq!(image.pixels(), [191, 127, 127, 255, 255, 255]);
    }
}
