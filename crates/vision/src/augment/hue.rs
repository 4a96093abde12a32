//! Rotation of the hue, with the same bytes as from Pillow's conversions between RGB and HSV.
//!
//! Hue, saturation and value are bytes; the hue's 256 steps are a full circle. Source of the color model: Smith, "Color
//! gamut transform pairs", SIGGRAPH 1978. Single and double precision alternate as in Pillow, because rounding decides
//! about single levels.

use crate::Image;

/// Adds `factor` turns, from −0.5 to 0.5, to the hue of every pixel. A gray image is not changed.
pub fn adjust_hue(image: &mut Image, factor: f64) {
    if image.channels() == 1 {
        return;
    }
    let turn = (factor * 255.0) as i32 as u8;
    for pixel in image.pixels_mut().as_chunks_mut::<3>().0 {
        let [hue, saturation, value] = to_hsv(*pixel);
        *pixel = to_rgb([hue.wrapping_add(turn), saturation, value]);
    }
}

fn to_hsv([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    if most == least {
        return [0, 0, most];
    }
    let range = f32::from(most - least);
    let saturation = range / f32::from(most);
    let below = |byte: u8| f32::from(most - byte) / range;
    let (red_below, green_below, blue_below) = (below(red), below(green), below(blue));
    let sixths = if red == most {
        blue_below - green_below
    } else if green == most {
        (2.0 + f64::from(red_below) - f64::from(blue_below)) as f32
    } else {
        (4.0 + f64::from(green_below) - f64::from(red_below)) as f32
    };
    // From −1/6 to 5/6 of a turn, wrapped after the addition of a whole one, as in Pillow.
    let above = f64::from(sixths) / 6.0 + 1.0;
    let turns = if above >= 1.0 { above - 1.0 } else { above } as f32;
    [(f64::from(turns) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, most]
}

fn to_rgb([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sixths = f64::from(hue) * 6.0 / 255.0;
    let sector = sixths as u8;
    let within = sixths - f64::from(sector);
    let saturation = f64::from(saturation) / 255.0;
    let level = |share: f64| (f64::from(value) * (1.0 - share) + 0.5) as u8;
    let low = level(saturation);
    let falling = level(saturation * within);
    let rising = level(saturation * (1.0 - within));
    match sector % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}
