//! Text in pictures: DejaVu Sans, which has Latin, Greek and Cyrillic letters among others.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, Glyph, GlyphId, PxScale, ScaleFont, point};

/// Columns of text that are drawn at most.
const WIDEST: f32 = 65_536.0;

fn font() -> &'static FontRef<'static> {
    static FONT: OnceLock<FontRef<'static>> = OnceLock::new();
    FONT.get_or_init(|| FontRef::try_from_slice(dejavu::sans::regular()).expect("the built-in font is valid"))
}

/// The glyph of a character; that of characters that the font lacks is a box.
fn glyph(character: char) -> GlyphId {
    match character {
        // The font has glyphs without ink for some controls.
        _ if character.is_control() => GlyphId(0),
        _ => font().glyph_id(character),
    }
}

/// Calls `place` with each glyph of a line of text and the place of its origin, and returns the width of the line, all
/// in pixels; `size` is the height of a line. Nothing is placed beyond [`WIDEST`].
fn lay_out(text: &str, size: usize, mut place: impl FnMut(GlyphId, f32)) -> f32 {
    let scaled = font().as_scaled(PxScale::from(size as f32));
    let (mut x, mut before) = (0.0, None);
    for id in text.chars().map(glyph) {
        if x > WIDEST {
            break;
        }
        x += before.map_or(0.0, |before| scaled.kern(before, id));
        place(id, x);
        x += scaled.h_advance(id);
        before = Some(id);
    }
    x
}

/// Returns the width in pixels of a line of text that is `size` pixels high.
pub(crate) fn width(text: &str, size: usize) -> usize {
    lay_out(text, size, |_, _| {}).ceil() as usize
}

/// Draws a line of text that is `size` pixels high, from its ascenders to its descenders: calls `dot` with column, row
/// and covered share of each pixel that has ink.
pub(crate) fn draw(text: &str, size: usize, mut dot: impl FnMut(usize, usize, f32)) {
    let scale = PxScale::from(size as f32);
    let ascent = font().as_scaled(scale).ascent().round();
    lay_out(text, size, |id, x| {
        let glyph = Glyph { id, scale, position: point(x, ascent) };
        let Some(outline) = font().outline_glyph(glyph) else { return };
        let corner = outline.px_bounds().min;
        outline.draw(|column, row, covered| {
            let (x, y) = (corner.x + column as f32, corner.y + row as f32);
            if x >= 0.0 && y >= 0.0 && covered > 0.0 {
                dot(x as usize, y as usize, covered.min(1.0));
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shares of the pixels of `text`, by place.
    fn ink(text: &str, size: usize) -> Vec<(usize, usize, u8)> {
        let mut dots = Vec::new();
        draw(text, size, |x, y, covered| dots.push((x, y, (covered * 255.0) as u8)));
        dots
    }

    #[test]
    fn letters_are_distinct() {
        let letters = ('!'..='~').chain("ÄÖÜäöüßéñøÅçŁčΑΩαβγλπДЖЯджяї№€–—…×".chars());
        let letters: Vec<char> = letters.filter(|letter| *letter != 'Α').collect();
        let all: Vec<_> = letters.iter().map(|letter| ink(&letter.to_string(), 40)).collect();
        let missing = ink("\u{10ffff}", 40);
        for (i, one) in all.iter().enumerate() {
            assert!(!one.is_empty() && *one != missing, "{:?}", letters[i]);
            let same = all[..i].iter().position(|other| other == one);
            assert_eq!(same.map(|same| letters[same]), None, "{:?}", letters[i]);
        }
        assert!(ink(" \u{a0}", 40).is_empty());
    }

    #[test]
    fn characters_that_the_font_lacks_are_drawn_as_a_box() {
        let missing = ink("猫", 40);
        assert!(missing.iter().filter(|(_, _, share)| *share > 200).count() > 40, "{missing:?}");
        for character in ['中', '\u{10ffff}', '\0', '\n', '\t', '😀'] {
            let text = character.to_string();
            assert!(text == "😀" || ink(&text, 40) == missing, "{character:?}");
            assert!(!ink(&text, 12).is_empty(), "{character:?}");
        }
        assert_eq!(width("猫猫", 40), 2 * width("猫", 40));
    }

    #[test]
    fn ink_stays_within_the_line() {
        for size in [8, 20, 28, 99] {
            let text = "ÅÄgjpqyÇ|_猫дщΩ";
            let width = width(text, size);
            assert!(ink(text, size).iter().all(|(x, y, _)| *x <= width && *y <= size), "{size}");
        }
        assert!(width(&"x".repeat(1 << 20), 20) < 66_000);
    }
}
