//! The scale-invariant feature transform: key points of an image and their descriptors, and descriptors on a grid.
//!
//! Source: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60, 2004. Where the paper leaves a
//! choice, it is that of OpenCV (sizes of windows, borders, the smallest octave), with two exceptions: coordinates
//! refer to the original image, without the shift by a quarter of a pixel of a doubled one, and windows are centered
//! on the refined position instead of on the nearest pixel.

mod dense;
mod descriptor;
mod extrema;
mod orientation;
mod plane;
mod scale_space;

use serde::{Deserialize, Serialize};
use striate_tensor::preprocessing::DESCRIPTOR;
use striate_tensor::{Error, Result};

use crate::Image;
use scale_space::Octave;

/// Most pixels of the largest plane of the scale space. Four bytes for each of its `intervals + 4` planes are at most
/// 1.5 GiB; time is proportional to the pixels, and to the key points.
const MOST_PIXELS: usize = 1 << 25;

/// A point of an image that is found again when the image is moved, turned or scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyPoint {
    /// Column, in pixels; the center of the first pixel is 0.
    pub x: f32,
    /// Row, in pixels.
    pub y: f32,
    /// Diameter in pixels: twice the standard deviation of the Gaussian at its scale.
    pub size: f32,
    /// Direction of the dominant gradient in degrees, from 0 to 360, clockwise from the positive x axis.
    pub angle: f32,
    /// Contrast: the absolute difference of Gaussians, of brightness from 0 to 1.
    pub response: f32,
}

/// Parameters of the search for key points; by default those of Lowe, but the contrast of OpenCV.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sift {
    /// Whether the image is doubled first, which finds smaller key points.
    pub doubled: bool,
    /// Scales per octave, 1 to 8.
    pub intervals: usize,
    /// Standard deviation of the first scale, in pixels of the doubled image; 0.8 to 8.
    pub sigma: f32,
    /// Least contrast, of brightness from 0 to 1, times `intervals`; 0 to 1. The paper's 0.03 is 0.09 here.
    pub contrast: f32,
    /// Largest ratio of the principal curvatures; points on edges have larger ones. 1 to 1000.
    pub edge_ratio: f32,
    /// Largest number of key points, of which those of the highest contrast are kept; 1 to 1,048,576.
    pub most: usize,
}

impl Default for Sift {
    fn default() -> Self {
        Sift { doubled: true, intervals: 3, sigma: 1.6, contrast: 0.04, edge_ratio: 10.0, most: 1 << 16 }
    }
}

impl Sift {
    /// Checks the ranges of the parameters.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn check(&self) -> Result<()> {
        let ranges = [
            ("intervals", self.intervals as f32, 1.0, 8.0),
            ("sigma", self.sigma, 0.8, 8.0),
            ("contrast", self.contrast, 0.0, 1.0),
            ("edge_ratio", self.edge_ratio, 1.0, 1000.0),
            ("most", self.most as f32, 1.0, 1_048_576.0),
        ];
        match ranges.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            None => Ok(()),
            Some((name, _, least, most)) => {
                Err(Error::input(format!("sift: {name} must be from {least} to {most}")))
            }
        }
    }

    /// Returns the key points of `image`: octave by octave, from small to large, and there by scale, row and column. A
    /// place with several dominant gradients has a key point for each.
    ///
    /// # Errors
    /// If a parameter is out of range, or the image, after doubling, has more than 2^25 pixels.
    pub fn key_points(&self, image: &Image) -> Result<Vec<KeyPoint>> {
        let mut found = Vec::new();
        self.for_each_octave(image, |octave| {
            for extremum in extrema::extrema(self, octave) {
                for angle in orientation::orientations(octave, &extremum) {
                    found.push(octave.key_point(&extremum, angle));
                }
            }
            keep_strongest(&mut found, self.most);
        })?;
        Ok(found)
    }

    /// Returns the descriptors of `points` of `image`, `[points, 128]`, each of Euclidean norm 1 or 0. The points may
    /// be of any origin; each is described in the plane of the scale space that is next to its scale.
    ///
    /// # Errors
    /// As for [`Sift::key_points`]; or if a coordinate, size or angle is not finite.
    pub fn descriptors(&self, image: &Image, points: &[KeyPoint]) -> Result<Vec<f32>> {
        let is_finite =
            |point: &KeyPoint| [point.x, point.y, point.size, point.angle].iter().all(|x| x.is_finite());
        if let Some(index) = points.iter().position(|point| !is_finite(point)) {
            return Err(Error::input(format!("sift: key point {index} has a value that is not finite")));
        }
        let mut descriptors = vec![0.0; points.len() * DESCRIPTOR];
        let mut remaining: Vec<usize> = (0..points.len()).collect();
        self.for_each_octave(image, |octave| {
            remaining.retain(|index| {
                let Some((level, window)) = octave.window(self, &points[*index]) else { return true };
                let descriptor = descriptor::descriptor(&octave.levels[level], &window);
                descriptors[index * DESCRIPTOR..][..DESCRIPTOR].copy_from_slice(&descriptor);
                false
            });
        })?;
        Ok(descriptors)
    }

    /// Calls `visit` with one octave after the other; only one is in memory.
    fn for_each_octave(&self, image: &Image, mut visit: impl FnMut(&Octave)) -> Result<()> {
        self.check()?;
        let pixels = image.width() * image.height() * if self.doubled { 4 } else { 1 };
        if pixels > MOST_PIXELS {
            let (width, height) = (image.width(), image.height());
            let doubled = if self.doubled { ", doubled," } else { "" };
            return Err(Error::input(format!(
                "sift: an image of {width}x{height} pixels{doubled} has more than 2^25 pixels; resize it"
            )));
        }
        let mut octave = Some(Octave::first(self, image));
        while let Some(current) = octave {
            visit(&current);
            octave = current.next(self);
        }
        Ok(())
    }
}

/// Keeps the `most` points of the highest response; of equal ones, the first.
fn keep_strongest(points: &mut Vec<KeyPoint>, most: usize) {
    if points.len() <= most {
        return;
    }
    let mut responses: Vec<f32> = points.iter().map(|point| point.response).collect();
    responses.sort_by(|a, b| b.total_cmp(a));
    let least = responses[most - 1];
    let mut equal = responses[..most].iter().filter(|response| **response == least).count();
    points.retain(|point| {
        let is_last = point.response == least && equal > 0;
        equal -= usize::from(is_last);
        point.response > least || is_last
    });
}
