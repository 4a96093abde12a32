//! The codes that the units of an RBF layer compare their input with: bitmaps of the digits, 7 wide and 12 high,
//! redrawn after LeCun et al., Proc. IEEE 86(11), 1998, figure 3.

use striate_tensor::Shape;

/// The bitmaps of the digits, 12 rows of 7 pixels each: `#` is +1, `.` is −1.
const DIGITS: [&str; 10] = [
    "....... ....... ..###.. .##.##. ##...## ##...## ##...## ##...## .##.##. ..###.. ....... .......",
    "....... ....... ...##.. ..###.. .####.. ...##.. ...##.. ...##.. ...##.. .###### ....... .......",
    "....... ....... .#####. ##...## .....## ....##. ...##.. ..##... .##.... ####### ....... .......",
    "....... ....... .#####. ##...## .....## ..####. .....## .....## ##...## .#####. ....... .......",
    "....... ....... ....##. ...###. ..#.##. .#..##. #...##. ####### ....##. ....##. ....... .......",
    "....... ....... ####### ##..... ##..... ######. .....## .....## ##...## .#####. ....... .......",
    "....... ....... ..####. .##.... ##..... ######. ##...## ##...## ##...## .#####. ....... .......",
    "....... ....... ####### .....## ....##. ....##. ...##.. ...##.. ..##... ..##... ....... .......",
    "....... ....... .#####. ##...## ##...## .#####. ##...## ##...## ##...## .#####. ....... .......",
    "....... ....... .#####. ##...## ##...## ##...## .###### .....## ....##. .####.. ....... .......",
];

/// Returns codes `[K, I]` of ±1: with 84 inputs the first ten rows are the bitmaps of the digits; all other
/// elements are the signs of draws from `random`, one draw per element.
pub(crate) fn codes(shape: &Shape, mut random: impl FnMut() -> f32) -> Vec<f32> {
    let [units, inputs] = [shape[0], shape[1]];
    let mut codes = Vec::with_capacity(units * inputs);
    for unit in 0..units {
        let drawn: Vec<f32> = (0..inputs).map(|_| if random() < 0.0 { -1.0 } else { 1.0 }).collect();
        match DIGITS.get(unit) {
            Some(bitmap) if inputs == 84 => codes.extend(pixels(bitmap)),
            _ => codes.extend(drawn),
        }
    }
    codes
}

fn pixels(bitmap: &str) -> impl Iterator<Item = f32> {
    bitmap.bytes().filter(|sign| *sign != b' ').map(|sign| if sign == b'#' { 1.0 } else { -1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_digits_differ() {
        let codes = codes(&Shape::from([12, 84]), || -0.5);
        assert_eq!(codes.len(), 12 * 84);
        for a in 0..10 {
            let bitmap = |unit: usize| &codes[unit * 84..][..84];
            assert!(bitmap(a).iter().all(|pixel| pixel.abs() == 1.0));
            for b in 0..a {
                let distance = bitmap(a).iter().zip(bitmap(b)).filter(|(a, b)| a != b).count();
                assert!(distance >= 4, "{a} and {b} differ in {distance} pixels");
            }
        }
        assert!(codes[10 * 84..].iter().all(|pixel| *pixel == -1.0));
    }
}
