//! Texts with labels: lines without tabs, labels or texts, other encodings than UTF-8, odd characters and ends of
//! lines.

use super::{Case, bad, good};

pub(super) fn cases() -> Vec<Case> {
    let no_tab = "has no tab; each line is a text, a tab and its label";
    let long = "a".repeat(100_000);
    vec![
        good("a line", "a text\tlabel\n"),
        good("no end of the last line", "a\tx\nb\ty"),
        good("ends of lines as on Windows", "a\tx\r\nb\ty\r\n"),
        good("a mark of UTF-8", "\u{feff}a\tx\n"),
        good("blank lines", "\n\n  \n\t\na\tx\n\r\n"),
        good("tabs in the text", "a\tb\tc\tx\n"),
        good("spaces around the label", "a\t x \n"),
        good("several scripts", "Größe\tde\nΣίσυφος\tel\nщётка\tru\n日本\tja\n"),
        good("characters of four bytes", "😀😀\tx\n"),
        good("lower case of several characters", "İSTANBUL\ttr\n"),
        good("control characters in the text", "a\u{1}\u{7f}b\tx\n"),
        good("zero bytes in the text", "a\0b\tx\n"),
        good("a direction override in the text", "a\u{202e}b\tx\n"),
        good("combining characters", "e\u{301}e\u{301}\tx\n"),
        good("a long line", format!("{long}\tx\n")),
        good("many lines", "a\tx\n".repeat(20_000)),
        good("an empty file", ""),
        good("only blank lines", "\n \r\n\t\n"),
        good("only a mark of UTF-8", "\u{feff}"),
        bad("no tab", "a text\n", no_tab),
        bad("no tab in a later line", "a\tx\nb\n", no_tab),
        bad("spaces in place of tabs", "a    x\n", no_tab),
        bad("commas in place of tabs", "a,x\n", no_tab),
        bad("a long line without a tab", long.clone(), no_tab),
        bad("no label", "a\t\n", "the label after the last tab is empty"),
        bad("a blank label", "a\t  \r\n", "the label after the last tab is empty"),
        bad("no text", "\tx\n", "the text before the tab is empty"),
        bad("a blank text", " \t \tx\n", "the text before the tab is empty"),
        bad("Latin-1", &b"Gr\xf6\xdfe\tde\n"[..], "is not UTF-8 (byte 3 of the line)"),
        bad("UTF-16", &b"\xff\xfea\0\t\0x\0\n\0"[..], "is not UTF-8 (byte 1 of the line)"),
        bad("a cut character", &b"a\xe2\x82\tx\n"[..], "is not UTF-8 (byte 2 of the line)"),
        bad("an overlong character", &b"\xc0\x80\tx\n"[..], "is not UTF-8 (byte 1 of the line)"),
        bad("half of a surrogate pair", &b"\xed\xa0\x80\tx\n"[..], "is not UTF-8 (byte 1 of the line)"),
        bad("a label that is not UTF-8", &b"a\t\xff\n"[..], "is not UTF-8 (byte 3 of the line)"),
        bad("a byte that continues nothing", &b"a\x80\tx\n"[..], "is not UTF-8 (byte 2 of the line)"),
        bad(
            "a character of five bytes",
            &b"\xf8\x88\x80\x80\x80\tx\n"[..],
            "is not UTF-8 (byte 1 of the line)",
        ),
        bad("a character beyond Unicode", &b"\xf4\x90\x80\x80\tx\n"[..], "is not UTF-8 (byte 1 of the line)"),
        bad(
            "a character that the end of the file cuts",
            &b"a\tx\xf0\x9f\x98"[..],
            "is not UTF-8 (byte 4 of the line)",
        ),
        bad("a later line in Latin-1", &b"a\tx\n\xe9t\xe9\tfr\n"[..], "is not UTF-8 (byte 1 of the line)"),
        bad("Shift JIS", &b"\x93\xfa\x96{\tja\n"[..], "is not UTF-8 (byte 1 of the line)"),
        bad("a mark of UTF-16", &b"\xfe\xff\0a"[..], "is not UTF-8 (byte 1 of the line)"),
        bad("a mark of UTF-8 that is cut", &b"\xef\xbba\tx\n"[..], "is not UTF-8 (byte 1 of the line)"),
        bad("an image", &b"\x89PNG\r\n\x1a\n"[..], "is not UTF-8 (byte 1 of the line)"),
        bad("a photograph", &b"\xff\xd8\xff\xe0\0\x10JFIF"[..], "is not UTF-8 (byte 1 of the line)"),
        bad("a packed file", &b"\x1f\x8b\x08\0"[..], "is not UTF-8 (byte 2 of the line)"),
        bad("an archive", &b"PK\x03\x04"[..], no_tab),
        bad("JSON", r#"{"text": "a", "label": "x"}"#, no_tab),
        bad("a page", "<html>\n<body>a</body>\n</html>\n", no_tab),
        bad("a label of a no-break space", "a\t\u{a0}\n", "the label after the last tab is empty"),
    ]
}
