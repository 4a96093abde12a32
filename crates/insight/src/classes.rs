//! Classes by name.

use striate_tensor::{Error, Result, nearest};

/// Returns the index of the class that `text` names, or whose number it is if no class has this name.
///
/// # Errors
/// If the class does not exist, or several classes have this name; the message suggests the nearest name, or lists the
/// numbers.
pub fn class_named(classes: &[String], text: &str) -> Result<usize> {
    let named: Vec<usize> = (0..classes.len()).filter(|index| classes[*index] == text).collect();
    if let [index] = named[..] {
        return Ok(index);
    }
    if !named.is_empty() {
        let numbers: Vec<String> = named.iter().map(ToString::to_string).collect();
        let numbers = numbers.join(", ");
        return Err(Error::input(format!(
            "several classes are named {text}; use one of the numbers {numbers}"
        )));
    }
    if let Some(index) = text.parse().ok().filter(|index| *index < classes.len()) {
        return Ok(index);
    }
    let last = classes.len().saturating_sub(1);
    let hint = match nearest(text, classes.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("use a class's name, or its number from 0 to {last}"),
    };
    Err(Error::input(format!("no class {text}; {hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_found_by_name_then_by_number() {
        let classes = ["crane", "7", "crane", "tabby cat"].map(str::to_owned);
        assert_eq!(class_named(&classes, "tabby cat").unwrap(), 3);
        assert_eq!(class_named(&classes, "7").unwrap(), 1);
        assert_eq!(class_named(&classes, "2").unwrap(), 2);
        for (text, expected) in [
            ("crane", "several classes are named crane; use one of the numbers 0, 2"),
            ("tabby cot", "no class tabby cot; did you mean tabby cat?"),
            ("4", "its number from 0 to 3"),
        ] {
            let error = class_named(&classes, text).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(expected), "{error}");
        }
    }
}
