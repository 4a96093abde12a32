//! Samples: the members of a shard that belong together.

use striate_tensor::file::Parts;
use striate_tensor::{Error, Result};

use crate::folder::ENDINGS;

/// The extension of the member with the class.
pub(super) const CLASS: &str = "cls";
/// Largest length of that member in bytes.
const LONGEST_CLASS: u64 = 64;

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub name: String,
    /// Where its content starts, and its length, in bytes.
    pub start: u64,
    pub length: u64,
}

/// Members whose names are equal up to the first dot of the file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub key: String,
    pub members: Vec<Member>,
}

/// Splits a name at the first dot of the file name.
pub(super) fn split(name: &str) -> (&str, &str) {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[file..].find('.') {
        Some(dot) => (&name[..file + dot], &name[file + dot + 1..]),
        None => (name, ""),
    }
}

/// Groups consecutive members to samples.
pub(super) fn grouped(members: Vec<Member>) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::new();
    for member in members {
        let key = split(&member.name).0;
        match samples.last_mut() {
            Some(last) if last.key == key => last.members.push(member),
            _ => samples.push(Sample { key: key.to_owned(), members: vec![member] }),
        }
    }
    samples
}

/// The image of a sample, the member with its class, and the number of other members.
pub(super) fn image_and_class(members: &[Member]) -> Result<(&Member, &Member, usize)> {
    let extension = |member: &Member| split(&member.name).1.to_lowercase();
    let is_image = |member: &&Member| ENDINGS.contains(&extension(member).as_str());
    let mut images = members.iter().filter(is_image);
    let class = members.iter().find(|member| extension(member) == CLASS);
    match (images.next(), images.next(), class) {
        (Some(image), None, Some(class)) => Ok((image, class, members.len() - 2)),
        (None, ..) => Err(Error::input("the sample has no image")),
        (_, Some(_), _) => Err(Error::input("the sample has several images")),
        (.., None) => Err(Error::input("the sample has no member .cls with the number of its class")),
    }
}

/// The number in the member `class`.
pub(super) fn number(file: &Parts, class: &Member) -> Result<usize> {
    let length = class.length.min(LONGEST_CLASS) as usize;
    let mut bytes = [0; LONGEST_CLASS as usize];
    file.read(class.start, &mut bytes[..length])?;
    let text = std::str::from_utf8(&bytes[..length]).unwrap_or_default().trim();
    let number = text.parse().ok().filter(|_| class.length <= LONGEST_CLASS);
    number.ok_or_else(|| Error::input(format!("{} is not the number of a class", class.name)))
}
