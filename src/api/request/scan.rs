//! A look at the text of a document before it is parsed: how many tokens it has and how deep its brackets nest. The
//! parser descends once for each bracket, so the depth has to be known to be small before it starts. Where text and
//! string are ambiguous (a string that never ends), brackets are counted, so that nothing hides in it.

use super::query_error::QueryError;

/// Counts the tokens of a document.
///
/// # Errors
/// When it has more than `most_tokens` tokens or nests deeper than `most_nesting` brackets.
pub(super) fn tokens(
    text: &str,
    most_tokens: usize,
    most_nesting: usize,
) -> Result<usize, QueryError> {
    let mut rest = text.as_bytes();
    let mut tokens = 0_usize;
    let mut nesting = 0_usize;
    let mut blocks_may_end = true;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => continue,
            b'#' => {
                rest = skip_while(rest, |byte| byte != b'\n' && byte != b'\r');
                continue;
            }
            b'{' | b'[' | b'(' => {
                nesting += 1;
                if nesting > most_nesting {
                    return Err(QueryError::NestedTooDeep { most: most_nesting });
                }
            }
            b'}' | b']' | b')' => nesting = nesting.saturating_sub(1),
            b'"' => rest = after_string(after, &mut blocks_may_end),
            byte if is_word(byte) => rest = skip_while(rest, is_word),
            _ => {}
        }
        tokens += 1;
        if tokens > most_tokens {
            return Err(QueryError::TooManyTokens { most: most_tokens });
        }
    }
    Ok(tokens)
}

/// What follows a string whose opening quote was just read.
fn after_string<'a>(after: &'a [u8], blocks_may_end: &mut bool) -> &'a [u8] {
    let Some(block) = after.strip_prefix(b"\"\"") else {
        return after_line_string(after);
    };
    if *blocks_may_end {
        if let Some(rest) = after_block_string(block) {
            return rest;
        }
        *blocks_may_end = false;
    }
    // An empty string, and another one begins: this is how the parser reads a block that never ends.
    after.get(1..).unwrap_or_default()
}

fn after_block_string(mut rest: &[u8]) -> Option<&[u8]> {
    while let Some((_, after)) = rest.split_first() {
        if let Some(escaped) = rest.strip_prefix(b"\\\"\"\"") {
            rest = escaped;
        } else if let Some(end) = rest.strip_prefix(b"\"\"\"") {
            return Some(end);
        } else {
            rest = after;
        }
    }
    None
}

fn after_line_string(start: &[u8]) -> &[u8] {
    let mut rest = start;
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'"' => return after,
            b'\\' => rest = after.get(1..).unwrap_or_default(),
            b'\n' | b'\r' => return start,
            _ => rest = after,
        }
    }
    start
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn skip_while(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> &[u8] {
    let skip = bytes
        .iter()
        .position(|byte| !wanted(*byte))
        .unwrap_or(bytes.len());
    bytes.get(skip..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nests(text: &str) -> bool {
        matches!(
            tokens(text, 1_000_000, 64),
            Err(QueryError::NestedTooDeep { .. })
        )
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let open = "[".repeat(100);
        assert_eq!(tokens("{ a(b: \"[[[\") # {{{\n}", 100, 2), Ok(8));
        assert!(!nests(&format!("{{ a(b: \"{open}\\\"{open}\") }}")));
        assert!(!nests(&format!(
            "{{ a(b: \"\"\"{open}\\\"\"\"{open}\"\"\") }}"
        )));
        assert!(nests(&format!("{{ a(b: {open}) }}")));
    }

    #[test]
    fn brackets_cannot_hide_in_a_string_that_never_ends() {
        let open = "[".repeat(100);
        assert!(nests(&format!("{{ a(b: [\"\"\"x\" {open}")));
        assert!(nests(&format!("{{ a(b: \"x\n {open}")));
        assert!(nests(&format!("{{ a(b: \"x {open}")));
    }

    #[test]
    fn a_text_of_nothing_but_quotes_is_read_in_one_pass() {
        let quotes = "\\\"\"\"".repeat(30_000);
        assert!(tokens(&format!("\"\"\"{quotes}"), 1_000_000, 64).is_ok());
    }

    #[test]
    fn too_many_tokens_are_refused() {
        assert_eq!(
            tokens(&"a ".repeat(11), 10, 10),
            Err(QueryError::TooManyTokens { most: 10 })
        );
    }
}
