//! Decodes JPEG files, whole or in part.
//!
//! There are two reasons for a decoder of our own. First, images must have the bytes that Pillow gives, since the
//! published weights and their scores were computed from those; the standard leaves rounding, upsampling and the
//! conversion of colors to the decoder, and no Rust library does them as libjpeg does. Second, speed: only the blocks
//! that a crop needs are transformed.
//!
//! Decoded are gray, YCbCr and RGB files of 8 bits with Huffman codes, sequential and progressive. All others, and
//! every file with the slightest irregularity, are left to the crate `image`, whose verdict on damaged files counts.
//! Source: ITU-T T.81; Loeffler, Ligtenberg, Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications",
//! ICASSP 1989; ITU-T T.871 for colors. `scripts/reference/jpeg_pillow.py` compares with Pillow.
//!
//! | file | what |
//! |---|---|
//! | `extent` | whether a file is complete |
//! | `header` | segments: frame, tables, scans |
//! | `data` | coded data without stuffing, its bits |
//! | `huffman` | tables of codes |
//! | `sequential`, `progressive` | coded data to coefficients |
//! | `idct` | coefficients to samples |
//! | `plane` | the samples of a component, and which are needed |
//! | `upsample` | samples to rows of the size of the image |
//! | `color` | rows to pixels |

mod color;
mod data;
mod extent;
mod header;
mod huffman;
mod idct;
mod plane;
mod progressive;
mod sequential;
#[cfg(test)]
mod tests;
mod upsample;

pub(crate) use extent::{Extent, TAILS, components, extent};

use crate::{Image, Region};
use header::{Frame, Header, Next};
use plane::{Plane, planes};

/// Returns the part `region` of the image in `bytes`, or all of it; `None` if the file is not one that is decoded here.
/// Pixels are those of the whole image. Data after the last row of the region is not checked.
pub(crate) fn decode(bytes: &[u8], region: Option<Region>) -> Option<Image> {
    let mut header = Header::new(bytes)?;
    let Next::Scan(mut scan) = header.next()? else { return None };
    let frame = header.frame.clone()?;
    let whole = Region { left: 0, top: 0, width: frame.width, height: frame.height };
    let region = region.unwrap_or(whole);
    let mut planes = planes(&frame, region);
    if frame.is_progressive {
        progressive::decode(&mut header, scan, &mut planes)?;
    } else {
        let mut missing = frame.components.len();
        loop {
            missing = missing.checked_sub(scan.components.len())?;
            sequential::decode(&mut header, &scan, &mut planes)?;
            if missing == 0 {
                break;
            }
            let Next::Scan(following) = header.next()? else { return None };
            scan = following;
        }
    }
    picture(&frame, region, &planes)
}

/// Converts samples to pixels.
fn picture(frame: &Frame, region: Region, planes: &[Plane]) -> Option<Image> {
    let channels = planes.len();
    let mut pixels = vec![0; region.width * region.height * channels];
    striate_tensor::vectorized(color::Convert { planes, region, is_rgb: frame.is_rgb, pixels: &mut pixels });
    Image::new(region.width, region.height, channels, pixels).ok()
}
