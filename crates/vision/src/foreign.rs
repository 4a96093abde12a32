//! Names the formats of images that neither are supported nor count as images of a data set, for reports.

/// First bytes, and the name of the format.
const MAGIC: [(&[u8], &str); 26] = [
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"\0\0\x01\0", "ICO"),
    (b"icns", "ICNS"),
    (b"SIMPLE  =", "FITS"),
    (b"P7 332", "XV thumbnail"),
    (b"PF\n", "PFM"),
    (b"Pf\n", "PFM"),
    (b"Pyf", "PNM with a private number"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"\x01\0\0\0\x6c\0\0\0", "EMF"),
    (b"/* XPM */", "XPM"),
    (b"BLP1", "BLP"),
    (b"BLP2", "BLP"),
    (b"FTEX", "FTEX"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"\x01\xda\0", "SGI"),
    (b"\x01\xda\x01", "SGI"),
    (b"DanM", "MSP"),
    (b"LinS", "MSP"),
    (b"\xb1\x68\xde\x3a", "DCX"),
    (b"\x80\xe8\0\0", "PIXAR"),
    (b"\0\0\0\0\0\0\0\x04", "McIDAS"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"GRIB", "GRIB"),
    (b"BUFR", "BUFR"),
];

/// Extensions, and the name of the format.
const EXTENSIONS: [(&[&str], &str); 35] = [
    (&["eps", "ps"], "EPS"),
    (&["ico"], "ICO"),
    (&["cur"], "CUR"),
    (&["icns"], "ICNS"),
    (&["wmf"], "WMF"),
    (&["emf"], "EMF"),
    (&["svg"], "SVG"),
    (&["tga", "icb", "vda", "vst"], "TGA"),
    (&["dib"], "DIB"),
    (&["fli", "flc"], "FLI"),
    (&["pcx"], "PCX"),
    (&["dcx"], "DCX"),
    (&["sgi", "rgb", "rgba", "bw"], "SGI"),
    (&["xbm"], "XBM"),
    (&["xpm"], "XPM"),
    (&["fit", "fits"], "FITS"),
    (&["spider", "spi"], "SPIDER"),
    (&["msp"], "MSP"),
    (&["im"], "IM"),
    (&["imt"], "IM Tools"),
    (&["mic"], "MIC"),
    (&["fpx"], "FlashPix"),
    (&["blp"], "BLP"),
    (&["ftc", "ftu"], "FTEX"),
    (&["gbr"], "GIMP brush"),
    (&["pxr"], "PIXAR"),
    (&["ras"], "Sun raster"),
    (&["wal"], "WAL"),
    (&["pcd"], "Photo CD"),
    (&["iim"], "IPTC"),
    (&["gd"], "GD"),
    (&["h5", "hdf"], "HDF5"),
    (&["grb", "grib"], "GRIB"),
    (&["bufr"], "BUFR"),
    (&["pfm"], "PFM"),
];

/// Returns the format of an image that begins with `head` and whose name ends in `extension` (in lower case), if it is
/// one that is not supported and has no place among [`ImageKind`](crate::ImageKind): such files are rarely meant as
/// images of a data set, or cannot be recognized by their content alone.
pub fn foreign_format(head: &[u8], extension: &str) -> Option<&'static str> {
    let by_content = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name);
    let by_name = || EXTENSIONS.iter().find(|(names, _)| names.contains(&extension)).map(|(_, name)| *name);
    by_content.or_else(by_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_name() {
        for (head, extension, format) in [
            (&b"%!PS-Adobe-3.0 EPSF-3.0"[..], "png", Some("EPS")),
            (b"\0\0\x02\0\0\0", "tga", Some("TGA")),
            (b"\0\0\x01\0\x01\0", "", Some("ICO")),
            (b"plain text", "txt", None),
            (b"", "ico", Some("ICO")),
        ] {
            assert_eq!(foreign_format(head, extension), format, "{extension}");
        }
    }
}
