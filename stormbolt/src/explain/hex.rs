//! Frames in hexadecimal.

use super::QuestionError;

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}

/// Reads hexadecimal digits; white space and colons may stand between them.
///
/// # Errors
/// There is something else, or half a byte.
pub fn unhex(text: &str) -> Result<Vec<u8>, QuestionError> {
    let is_between = |c: &char| c.is_ascii_whitespace() || *c == ':';
    let mut digits = Vec::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_between(c)) {
        let digit = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let refused = || {
            let problem = format!("`{}` is not a hexadecimal digit", c.escape_default());
            QuestionError::new("frame", problem)
        };
        digits.push(digit.ok_or_else(refused)?);
    }
    if !digits.len().is_multiple_of(2) {
        let problem = format!("{} hexadecimal digits end in half a byte", digits.len());
        return Err(QuestionError::new("frame", problem));
    }
    let bytes = digits.chunks_exact(2).map(|pair| match pair {
        [high, low] => high << 4 | low,
        _ => 0,
    });
    Ok(bytes.collect())
}
