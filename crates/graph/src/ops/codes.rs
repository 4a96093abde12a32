//! The codes that the units of an RBF layer compare with: pictures of the digits, 7 wide and 12 high, after
//! LeCun et al., Proc. IEEE 86(11), 1998, figure 3, drawn anew.

use striate_tensor::Shape;

/// Rows of a digit, 12 of 7 signs each: `#` is +1, `.` is −1.
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

/// Codes `[K, I]`, each number ±1: the digits where rows are their pictures, chance (one draw of `random`
/// a number, by its sign) for all other rows.
pub(crate) fn codes(shape: &Shape, mut random: impl FnMut() -> f32) -> Vec<f32> {
    let [units, inputs] = [shape[0], shape[1]];
    let mut codes = Vec::with_capacity(units * inputs);
    for unit in 0..units {
        let drawn: Vec<f32> = (0..inputs).map(|_| if random() < 0.0 { -1.0 } else { 1.0 }).collect();
        match DIGITS.get(unit) {
            Some(picture) if inputs == 84 => codes.extend(pixels(picture)),
            _ => codes.extend(drawn),
        }
    }
    codes
}

fn pixels(picture: &str) -> impl Iterator<Item = f32> {
    picture.bytes().filter(|sign| *sign != b' ').map(|sign| if sign == b'#' { 1.0 } else { -1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_pictures_of_their_own() {
        let codes = codes(&Shape::from([12, 84]), || -0.5);
        assert_eq!(codes.len(), 12 * 84);
        for a in 0..10 {
            let picture = |unit: usize| &codes[unit * 84..][..84];
            assert!(picture(a).iter().all(|pixel| pixel.abs() == 1.0));
            for b in 0..a {
                let distance = picture(a).iter().zip(picture(b)).filter(|(a, b)| a != b).count();
                assert!(distance >= 4, "{a} and {b} differ in {distance} pixels");
            }
        }
        assert!(codes[10 * 84..].iter().all(|pixel| *pixel == -1.0));
    }
}
