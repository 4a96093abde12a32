//! A built-in font: 5×7 pixels with two rows for descenders, smooth at any size.

use crate::{Filter, Image, resize};

/// Rows of a letter: seven above the baseline, two below.
pub(crate) const ROWS: usize = 9;
/// Columns of the widest letter.
const COLUMNS: usize = 5;
/// Columns of a space.
const BLANK: usize = 3;

/// The printable characters of ASCII in order, sixteen side by side, each six columns wide.
const STRIPS: [[&str; ROWS]; 6] = [
    [
        "        #    # #   # #    #   ##  #  ##     #      #   #                                      #",
        "        #    # #   # #   #### ##  # #  #    #     #     #     #     #                         #",
        "        #    # #  ##### # #      #  # #    #     #       #  # # #   #                        #",
        "        #          # #   ###    #    #           #       #   ###  #####       #####         #",
        "        #         #####   # #  #    # # #        #       #  # # #   #                      #",
        "                   # #  ####  #  ## #  #          #     #     #     #     #          ##   #",
        "        #          # #    #   #  ##  ## #          #   #                  #          ##   #",
        "                                                                         #",
        "",
    ],
    [
        " ###    #    ###   ###     #  #####   ##  #####  ###   ###                 #         #     ###",
        "#   #  ##   #   # #   #   ##  #      #        # #   # #   #  ##    ##     #           #   #   #",
        "#  ##   #       #     #  # #  ####  #        #  #   # #   #  ##    ##    #    #####    #      #",
        "# # #   #      #    ##  #  #      # ####    #    ###   ####             #               #    #",
        "##  #   #     #       # #####     # #   #   #   #   #     #        ##    #    #####    #    #",
        "#   #   #    #    #   #    #  #   # #   #  #    #   #    #   ##    ##     #           #",
        " ###   ###  #####  ###     #   ###   ###   #     ###   ##    ##     #      #         #      #",
        "                                                                   #",
        "",
    ],
    [
        " ###   ###  ####   ###  ####  ##### #####  ###  #   #  ###    ### #   # #     #   # #   #  ###",
        "#   # #   # #   # #   # #   # #     #     #   # #   #   #      #  #  #  #     ## ## ##  # #   #",
        "# ### #   # #   # #     #   # #     #     #     #   #   #      #  # #   #     # # # ##  # #   #",
        "# # # ##### ####  #     #   # ####  ####  # ### #####   #      #  ##    #     # # # # # # #   #",
        "# ### #   # #   # #     #   # #     #     #   # #   #   #      #  # #   #     #   # #  ## #   #",
        "#     #   # #   # #   # #   # #     #     #   # #   #   #   #  #  #  #  #     #   # #  ## #   #",
        " #### #   # ####   ###  ####  ##### #      #### #   #  ###   ##   #   # ##### #   # #   #  ###",
        "",
        "",
    ],
    [
        "####   ###  ####   #### ##### #   # #   # #   # #   # #   # #####  ###  #      ###    #",
        "#   # #   # #   # #       #   #   # #   # #   # #   # #   #     #  #    #        #   # #",
        "#   # #   # #   # #       #   #   # #   # #   #  # #   # #     #   #     #       #  #   #",
        "####  #   # ####   ###    #   #   # #   # # # #   #     #     #    #      #      #",
        "#     # # # # #       #   #   #   #  # #  # # #  # #    #    #     #       #     #",
        "#     #  #  #  #      #   #   #   #  # #  ## ## #   #   #   #      #        #    #",
        "#      ## # #   # ####    #    ###    #   #   # #   #   #   #####  ###      #  ###        #####",
        "",
        "",
    ],
    [
        " #          #               #         ##        #       #      #  #      ##",
        "  #         #               #        #  #       #                 #       #",
        "       ###  ####   ###   ####  ###   #     #### ####   ##     ##  #  #    #   ## #  ####   ###",
        "          # #   # #   # #   # #   # ####  #   # #   #   #      #  # #     #   # # # #   # #   #",
        "       #### #   # #     #   # #####  #    #   # #   #   #      #  ##      #   # # # #   # #   #",
        "      #   # #   # #   # #   # #      #    #   # #   #   #      #  # #     #   # # # #   # #   #",
        "       #### ####   ###   ####  ###   #     #### #   #  ###     #  #  #   ###  # # # #   #  ###",
        "                                              #             #  #",
        "                                           ###               ##",
    ],
    [
        "                         #                                           #    #    #",
        "                         #                                          #     #     #",
        "####   #### # ##   #### ####  #   # #   # #   # #   # #   # #####   #     #     #    #",
        "#   # #   # ##  # #      #    #   # #   # # # #  # #  #   #    #   #      #      #  # # #",
        "#   # #   # #      ###   #    #   #  # #  # # #   #   #   #   #     #     #     #      #",
        "#   # #   # #         #  #  # #   #  # #  # # #  # #  #   #  #      #     #     #",
        "####   #### #     ####    ##   ####   #    # #  #   #  #### #####    #    #    #",
        "#         #                                               #               #",
        "#         #                                            ###",
    ],
];

/// The shape of a letter.
pub(crate) struct Glyph {
    /// Width in columns, without the gap to the next letter.
    pub width: usize,
    ink: [[bool; COLUMNS]; ROWS],
}

/// Returns the letter for `character`: accents are dropped, and unknown characters become a box.
pub(crate) fn glyph(character: char) -> Glyph {
    let plain = plain(character);
    if plain == ' ' {
        return Glyph { width: BLANK, ink: [[false; COLUMNS]; ROWS] };
    }
    let mut ink = [[false; COLUMNS]; ROWS];
    for (y, row) in ink.iter_mut().enumerate() {
        for (x, dot) in row.iter_mut().enumerate() {
            *dot = match (plain as usize).checked_sub(32).filter(|index| *index < 95) {
                Some(index) => STRIPS[index / 16][y].as_bytes().get(index % 16 * 6 + x) == Some(&b'#'),
                None => y < 7 && (y % 6 == 0 || x % 4 == 0),
            };
        }
    }
    let used = |x: &usize| ink.iter().any(|row| row[*x]);
    let first = (0..COLUMNS).find(used).unwrap_or(0);
    let last = (0..COLUMNS).rev().find(used).unwrap_or(0);
    ink.iter_mut().for_each(|row| row.rotate_left(first));
    Glyph { width: last + 1 - first, ink }
}

/// Returns the ASCII letter that stands in for a character.
fn plain(character: char) -> char {
    match character {
        'À'..='Å' => 'A',
        'à'..='å' => 'a',
        'Ç' => 'C',
        'ç' => 'c',
        'È'..='Ë' => 'E',
        'è'..='ë' => 'e',
        'Ì'..='Ï' => 'I',
        'ì'..='ï' => 'i',
        'Ñ' => 'N',
        'ñ' => 'n',
        'Ò'..='Ö' | 'Ø' => 'O',
        'ò'..='ö' | 'ø' => 'o',
        'Ù'..='Ü' => 'U',
        'ù'..='ü' => 'u',
        'ß' => 's',
        '‘' | '’' => '\'',
        '“' | '”' => '"',
        '–' | '—' | '−' => '-',
        '×' => 'x',
        '\u{a0}' => ' ',
        other => other,
    }
}

impl Glyph {
    /// Renders the letter with `scale` pixels per dot; above one, the steps of diagonal lines are smoothed.
    pub fn coverage(&self, scale: usize) -> Image {
        let dots = self.ink.iter().flat_map(|row| row[..self.width].iter().map(|dot| u8::from(*dot) * 255));
        let dots = Image::new(self.width, ROWS, 1, dots.collect()).expect("sizes fit");
        if scale == 1 {
            return dots;
        }
        let smooth = doubled(&doubled(&dots));
        resize(&smooth, self.width * scale, ROWS * scale, Filter::Box)
    }
}

/// Doubles the size, with corners filled where two neighbors agree: Scale2x by Andrea Mazzoleni, 2001.
fn doubled(image: &Image) -> Image {
    let (w, h) = (image.width(), image.height());
    let at =
        |x: usize, dx: isize, y: usize, dy: isize| match (x.checked_add_signed(dx), y.checked_add_signed(dy))
        {
            (Some(x), Some(y)) if x < w && y < h => image.pixel(x, y)[0],
            _ => 0,
        };
    let corner = |i: usize| {
        let (x, y) = (i % (2 * w), i / (2 * w));
        let side = |odd: usize| if odd == 1 { 1 } else { -1 };
        let (dx, dy) = (side(x % 2), side(y % 2));
        let (x, y) = (x / 2, y / 2);
        let (beside, above) = (at(x, dx, y, 0), at(x, 0, y, dy));
        let (opposite, below) = (at(x, -dx, y, 0), at(x, 0, y, -dy));
        let rounded = beside == above && beside != opposite && above != below;
        if rounded { beside } else { image.pixel(x, y)[0] }
    };
    Image::new(2 * w, 2 * h, 1, (0..4 * w * h).map(corner).collect()).expect("sizes fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_distinct() {
        let all: Vec<Vec<u8>> = (' '..='~').map(|c| glyph(c).coverage(1).pixels().to_vec()).collect();
        for (i, one) in all.iter().enumerate() {
            assert_eq!(i == 0, one.iter().all(|x| *x == 0));
            assert!(all[..i].iter().all(|other| other != one), "{:?}", (b' ' + i as u8) as char);
        }
    }

    #[test]
    fn any_character_can_be_drawn() {
        for character in ['é', 'Ω', '中', '\n', '\u{10ffff}', '\0'] {
            for scale in 1..5 {
                let ink = glyph(character).coverage(scale);
                assert_eq!(ink.height(), ROWS * scale);
                assert!(ink.pixels().contains(&255), "{character:?}");
            }
        }
        assert_eq!(glyph('É').coverage(2), glyph('E').coverage(2));
    }
}
