//! Concatenation of channels, and splitting, by definition.

/// Concatenates parts with the given numbers of channels into y `[N, C, H, W]`.
pub fn forward<T: Copy>(shape: [usize; 4], channels: &[usize], parts: &[&[T]], y: &mut [T]) {
    let [n, c, h, w] = shape;
    let mut first = 0;
    for (part, count) in parts.iter().zip(channels) {
        let length = count * h * w;
        for image in 0..n {
            let to = (image * c + first) * h * w;
            y[to..to + length].copy_from_slice(&part[image * length..][..length]);
        }
        first += count;
    }
}

/// Copies channels `first..first + count` of y into a part.
pub fn part<T: Copy>(shape: [usize; 4], first: usize, count: usize, y: &[T], part: &mut [T]) {
    let [n, c, h, w] = shape;
    let length = count * h * w;
    for image in 0..n {
        let from = (image * c + first) * h * w;
        part[image * length..][..length].copy_from_slice(&y[from..from + length]);
    }
}
