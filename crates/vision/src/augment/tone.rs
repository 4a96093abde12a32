//! Operations on the values of pixels alone: posterize, solarize, autocontrast, equalize; the same bytes as from
//! Pillow's `ImageOps`.

use crate::Image;

/// Replaces every byte `b` by `change(b)`, which is called once for each of the 256 values.
pub(super) fn map(image: &mut Image, change: impl Fn(u8) -> u8) {
    let table = table(change);
    image.pixels_mut().iter_mut().for_each(|byte| *byte = table[usize::from(*byte)]);
}

fn table(change: impl Fn(u8) -> u8) -> [u8; 256] {
    std::array::from_fn(|byte| change(byte as u8))
}

/// Replaces the bytes of each channel by its own table, made from the channel's histogram. Channels without one are
/// kept.
fn map_channels(image: &mut Image, table: impl Fn(&[u64; 256]) -> Option<[u8; 256]>) {
    let channels = image.channels();
    for channel in 0..channels {
        let mut histogram = [0u64; 256];
        let bytes = image.pixels().iter().skip(channel).step_by(channels);
        bytes.for_each(|byte| histogram[usize::from(*byte)] += 1);
        let Some(table) = table(&histogram) else { continue };
        let bytes = image.pixels_mut().iter_mut().skip(channel).step_by(channels);
        bytes.for_each(|byte| *byte = table[usize::from(*byte)]);
    }
}

/// Keeps the upper `bits` bits of every byte, 0 to 8.
pub fn posterize(image: &mut Image, bits: u32) {
    let mask = 0xff_u8.checked_shl(8 - bits.min(8)).unwrap_or(0);
    map(image, |byte| byte & mask);
}

/// Inverts the bytes that are not below `threshold`.
pub fn solarize(image: &mut Image, threshold: f64) {
    map(image, |byte| if f64::from(byte) < threshold { byte } else { 255 - byte });
}

/// Stretches each channel, so that its least value becomes 0 and its greatest 255. A channel of one value is kept.
pub fn autocontrast(image: &mut Image) {
    map_channels(image, |histogram| {
        let least = histogram.iter().position(|count| *count > 0)?;
        let most = histogram.iter().rposition(|count| *count > 0)?;
        if most <= least {
            return None;
        }
        let scale = 255.0 / (most - least) as f64;
        let offset = -(least as f64) * scale;
        Some(table(|byte| (f64::from(byte) * scale + offset) as u8))
    });
}

/// Makes the histogram of each channel as flat as possible. A channel of one value, or with fewer than 255 pixels of
/// other values than its greatest, is kept.
pub fn equalize(image: &mut Image) {
    map_channels(image, |histogram| {
        let last = histogram.iter().rev().find(|count| **count > 0)?;
        let step = (histogram.iter().sum::<u64>() - last) / 255;
        if step == 0 {
            return None;
        }
        let mut sum = step / 2;
        let mut table = [0; 256];
        for (to, count) in table.iter_mut().zip(histogram) {
            *to = (sum / step).min(255) as u8;
            sum += count;
        }
        Some(table)
    });
}
