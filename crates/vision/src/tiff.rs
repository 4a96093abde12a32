//! Checks for TIFF files on which the decoder fails, or whose first image is not the intended one.

use std::io::Cursor;

use striate_tensor::{Error, Result};
use tiff::decoder::Decoder;
use tiff::tags::Tag;

/// Refuses files whose first image is only a preview, as in camera raw files, and layouts that the decoder
/// does not know. Returns whether colors are multiplied by their opacity.
///
/// # Errors
/// If the file is one of these. Other faults are left to the decoder.
pub(crate) fn check(bytes: &[u8]) -> Result<bool> {
    let Ok(mut decoder) = Decoder::new(Cursor::new(bytes)) else { return Ok(false) };
    let mut tag = |tag| decoder.find_tag_unsigned_vec::<u32>(tag).ok().flatten()?.first().copied();
    let refused = |what: &str| Err(Error::input(format!("{what}; convert it to PNG or JPEG")));
    if tag(Tag::NewSubfileType).is_some_and(|kind| kind & 1 == 1) {
        return refused("the first image of this TIFF file is only a preview (camera raw?)");
    }
    if tag(Tag::PlanarConfiguration) == Some(2) && tag(Tag::TileWidth).is_some() {
        return refused("TIFF files of tiles in planes are not supported");
    }
    if tag(Tag::FillOrder) == Some(2) {
        return refused("TIFF files with the lowest bit first are not supported");
    }
    Ok(tag(Tag::ExtraSamples) == Some(1))
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
            [(Tag::NewSubfileType, 1u16, "only a preview"), (Tag::FillOrder, 2, "lowest bit first")]
        {
            let error = decode(&file::<Gray8>(&[7, 200], tag, value)).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(why), "{error}");
        }
        assert_eq!(decode(&file::<Gray8>(&[7, 200], Tag::FillOrder, 1u16)).unwrap().pixels(), [7, 200]);
    }

    /// Half opaque red, multiplied and not.
    #[test]
    fn multiplied_opacity_is_laid_on_white() {
        let half = [[128, 0, 0, 128], [0, 0, 0, 0]].concat();
        let image = decode(&file::<RGBA8>(&half, Tag::ExtraSamples, 1u16)).unwrap();
        assert_eq!(image.pixels(), [255, 127, 127, 255, 255, 255]);
        let image = decode(&file::<RGBA8>(&half, Tag::ExtraSamples, 2u16)).unwrap();
        assert_eq!(image.pixels(), [191, 127, 127, 255, 255, 255]);
    }
}
