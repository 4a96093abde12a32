//! Finds whether an Ogg file is complete: its decoder takes any number of pages.

/// Length of a page's header before its table of segments.
const HEADER: usize = 27;
/// The bit of the header's flags that marks the last page of a stream.
const LAST: u8 = 4;

/// Returns whether the last page in `bytes` is complete and ends its stream.
pub(crate) fn is_complete(bytes: &[u8]) -> bool {
    let Some(start) = bytes.windows(4).rposition(|word| word == b"OggS") else { return false };
    let page = &bytes[start..];
    let Some(header) = page.get(..HEADER) else { return false };
    let Some(table) = page.get(HEADER..HEADER + usize::from(header[26])) else { return false };
    let content: usize = table.iter().map(|length| usize::from(*length)).sum();
    header[5] & LAST != 0 && page.len() >= HEADER + table.len() + content
}
