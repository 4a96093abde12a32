//! Colors of heat maps.

/// Coefficients of a polynomial in the value for red, green and blue: a fit of matplotlib's viridis (van der Walt and
/// Smith, 2015; CC0) of degree 6 by Zucker (2017; CC0), at most 0.02 from it.
const VIRIDIS: [[f64; 3]; 7] = [
    [0.277_727_327_223_417_7, 0.005_407_344_544_966_578, 0.334_099_805_335_306_1],
    [0.105_093_043_108_577_4, 1.404_613_529_898_575, 1.384_590_162_594_685],
    [-0.330_861_828_725_556_3, 0.214_847_559_468_213, 0.095_095_163_028_236_59],
    [-4.634_230_498_983_486, -5.799_100_973_351_585, -19.332_440_956_279_87],
    [6.228_269_936_347_081, 14.179_933_366_805_09, 56.690_552_600_681_05],
    [4.776_384_997_670_288, -13.745_145_377_746_01, -65.353_032_633_372_34],
    [-5.435_455_855_934_631, 4.645_852_612_178_535, 26.312_435_249_583_2],
];

/// Returns the color of a value from 0 (dark violet) to 1 (yellow), in which equal steps of the value look equal.
/// Values outside are clipped; NaN is that of 0.
pub fn viridis(value: f32) -> [u8; 3] {
    let x = if value.is_nan() { 0.0 } else { f64::from(value.clamp(0.0, 1.0)) };
    std::array::from_fn(|channel| {
        let share = VIRIDIS.iter().rev().fold(0.0, |sum, coefficients| sum * x + coefficients[channel]);
        (share.clamp(0.0, 1.0) * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries 0, 64, 128, 191 and 255 of the table `matplotlib.colormaps["viridis"]`.
    #[test]
    fn colors_match_matplotlib() {
        let table = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
        for (index, expected) in [0.0, 64.0, 128.0, 191.0, 255.0].into_iter().zip(table) {
            let color = viridis(index / 255.0);
            assert!(
                color.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 5),
                "{color:?}, not {expected:?}"
            );
        }
        assert_eq!(viridis(f32::NAN), viridis(-3.0));
        assert_eq!(viridis(f32::INFINITY), viridis(1.0));
    }
}
