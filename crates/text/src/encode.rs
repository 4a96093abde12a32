//! Encodes texts as inputs of a network.

use std::collections::HashMap;

use striate_tensor::Result;
use striate_tensor::encoding::TextEncoding;

/// Encodes texts in one form.
pub struct Encoder {
    encoding: TextEncoding,
    /// The place of each character of the alphabet, from 1.
    places: HashMap<char, u8>,
}

/// Returns the characters of a text in lower case, each on its own, regardless of its neighbors.
pub fn lowercase(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

impl Encoder {
    /// Creates an encoder.
    ///
    /// # Errors
    /// As [`TextEncoding::check`].
    pub fn new(encoding: TextEncoding) -> Result<Encoder> {
        encoding.check()?;
        let places = encoding.alphabet.chars().zip(1..=u8::MAX).collect();
        Ok(Encoder { encoding, places })
    }

    /// Returns the encoding.
    pub fn encoding(&self) -> &TextEncoding {
        &self.encoding
    }

    /// Writes the places of the text's characters in the alphabet, from 1, to `to`, last character first; 0 for
    /// characters that are not in the alphabet, and after the beginning of the text. Of a text with more characters,
    /// only the first are used.
    ///
    /// # Panics
    /// If `to` does not have the encoding's length.
    pub fn write_places(&self, text: &str, to: &mut [u8]) {
        assert_eq!(to.len(), self.encoding.length, "a text has {} places", self.encoding.length);
        let mut count = 0;
        for (place, character) in to.iter_mut().zip(lowercase(text)) {
            *place = self.places.get(&character).copied().unwrap_or(0);
            count += 1;
        }
        to[..count].reverse();
        to[count..].fill(0);
    }

    /// Returns `text` as the input of a network, in the shape of [`TextEncoding::output_shape`].
    pub fn encode(&self, text: &str) -> Vec<f32> {
        let mut places = vec![0; self.encoding.length];
        self.write_places(text, &mut places);
        let mut values = vec![0.0; self.encoding.output_shape().iter().product()];
        one_hot(&places, &mut values);
        values
    }
}

/// Writes `places`, as [`Encoder::write_places`] gives them, as planes `[C, 1, W]`: in each column, a one in the plane
/// of the character's place.
///
/// # Panics
/// If `to` does not have the size of whole planes, or a place is greater than their number.
pub fn one_hot(places: &[u8], to: &mut [f32]) {
    assert_eq!(to.len() % places.len(), 0, "planes have {} columns", places.len());
    to.fill(0.0);
    for (column, place) in places.iter().enumerate().filter(|(_, place)| **place > 0) {
        to[(usize::from(*place) - 1) * places.len() + column] = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str, length: usize) -> Vec<u8> {
        let encoder = Encoder::new(TextEncoding { alphabet: "abc".into(), length }).unwrap();
        let mut places = vec![9; length];
        encoder.write_places(text, &mut places);
        places
    }

    #[test]
    fn characters_are_reversed_and_those_beyond_the_length_ignored() {
        assert_eq!(places("a bCx", 7), [0, 3, 2, 0, 1, 0, 0]);
        assert_eq!(places("abcab", 3), [3, 2, 1]);
        assert_eq!(places("", 2), [0, 0]);
    }

    #[test]
    fn columns_have_at_most_a_single_one() {
        let encoder = Encoder::new(TextEncoding { alphabet: "ab".into(), length: 3 }).unwrap();
        assert_eq!(encoder.encode("aB?"), [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        let alphabet: String = ('\u{4e00}'..).take(255).collect();
        let last = alphabet.chars().last().unwrap().to_string();
        let longest = Encoder::new(TextEncoding { alphabet, length: 1 }).unwrap().encode(&last);
        assert_eq!((longest.len(), longest[254]), (255, 1.0));
        assert_eq!(lowercase("İΣ").collect::<String>(), "i\u{307}σ");
    }
}
