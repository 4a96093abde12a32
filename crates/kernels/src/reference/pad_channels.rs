//! Channel padding, by definition.

use super::Real;
use crate::pad_channels::PadChannelsDesc;

/// y\[c\] = x\[c − before\] where x has such a channel, else 0.
pub fn pad_channels<T: Real>(desc: &PadChannelsDesc, x: &[T], y: &mut [T]) {
    let [n, c, h, w] = desc.shape;
    for image in 0..n {
        for channel in 0..desc.channels {
            let to = (image * desc.channels + channel) * h * w;
            let to = &mut y[to..][..h * w];
            match desc.source(channel) {
                Some(source) => to.copy_from_slice(&x[(image * c + source) * h * w..][..h * w]),
                None => to.fill(T::from_f64(0.0)),
            }
        }
    }
}
