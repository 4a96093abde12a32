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
    // The decoder reserves memory for as many values as an entry claims.
    if values_fit(bytes) == Some(false) {
        let what = "damaged image (its directory claims more than the file holds); export it again";
        return Err(Fault::new(FaultKind::Damaged, what));
    }
    let Ok(mut decoder) = Decoder::new(Cursor::new(bytes)) else { return Ok(false) };
    let mut tag = |tag| decoder.find_tag_unsigned_vec::<u32>(tag).ok().flatten()?.first().copied();
    let refused =
        |what: &str| Err(Fault::new(FaultKind::Unsupported, format!("{what}; convert it to PNG or JPEG")));
    if tag(Tag::NewSubfileType).is_some_and(|kind| kind & 1 == 1) {
        return refused("the first image of this TIFF file is only a preview (camera raw?)");
    }
    if tag(Tag::PlanarConfiguration) == Some(2) && tag(Tag::TileWidth).is_some() {
        return refused("planar tiled TIFF files are not supported");
    }
    if tag(Tag::Compression) == Some(6) {
        return refused("TIFF files with old-style JPEG compression are not supported");
    }
    if tag(Tag::FillOrder) == Some(2) {
        return refused("TIFF files with LSB-first bit order are not supported");
    }
    Ok(tag(Tag::ExtraSamples) == Some(1))
}

/// Returns whether no entry of the first directory claims more values than the file has bytes; `None` if the
/// directory is truncated.
fn values_fit(bytes: &[u8]) -> Option<bool> {
    let is_big_endian = bytes.starts_with(b"MM");
    let number = |at: usize, length: usize| -> Option<u64> {
        let digits = bytes.get(at..at.checked_add(length)?)?.iter().map(|byte| u64::from(*byte));
        Some(match is_big_endian {
            true => digits.fold(0, |value, digit| value << 8 | digit),
            false => digits.rev().fold(0, |value, digit| value << 8 | digit),
        })
    };
    // BigTIFF has fields of 8 bytes where TIFF has 4, and of the number of entries 2.
    let is_big = number(2, 2)? == 43;
    let (offset_at, wide, count_length) = if is_big { (8, 8, 8) } else { (4, 4, 2) };
    let directory = usize::try_from(number(offset_at, wide)?).ok()?;
    let entries = number(directory, count_length)?;
    let mut at = directory + count_length;
    for _ in 0..entries {
        if number(at + 4, wide)? > bytes.len() as u64 {
            return Some(false);
        }
        at = at.checked_add(4 + 2 * wide)?;
    }
    Some(true)
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

    /// An entry of 2^24 values would make the decoder reserve 512 MiB.
    #[test]
    fn directories_that_claim_more_than_the_file_are_refused() {
        let whole = file::<Gray8>(&[7, 200], Tag::Orientation, 1u16);
        assert_eq!(values_fit(&whole), Some(true));
        let directory = u32::from_le_bytes(whole[4..8].try_into().unwrap()) as usize;
        let mut claiming = whole;
        claiming[directory + 2 + 12 * 2 + 7] = 1;
        let error = decode(&claiming).unwrap_err();
        assert!(error.to_string().contains("claims more than the file holds"), "{error}");
        assert_eq!(values_fit(b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0"), None);
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
