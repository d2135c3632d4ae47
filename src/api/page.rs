//! Pages of a connection, by the Relay specification: `first` with `after`, or `last` with `before`; one
//! of them is required, at most [`MOST`] rows. A cursor names the list it was made for and is refused by
//! any other.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{ApiError, ApiResult};

/// Most rows on a page.
pub const MOST: i32 = 100;

/// Between the parts of a cursor.
const SEPARATOR: char = '\u{1f}';

/// A cursor of something else, or of nothing.
pub fn bad_cursor() -> ApiError {
    ApiError::bad_input("BAD_CURSOR", "this cursor is not from this list")
}

/// The row that a cursor of nothing else names.
pub fn row_of_cursor(parts: &[String]) -> ApiResult<i64> {
    match parts {
        [id] => id.parse().map_err(|_| bad_cursor()),
        _ => Err(bad_cursor()),
    }
}

/// The arguments of a connection as the caller gave them.
#[derive(Clone, Debug, Default)]
pub struct PageArguments {
    /// Forward: rows after this cursor.
    pub after: Option<String>,
    /// Backward: rows before this cursor.
    pub before: Option<String>,
    /// Forward: how many.
    pub first: Option<i32>,
    /// Backward: how many.
    pub last: Option<i32>,
}

/// A page that may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The parts of the cursor to begin from.
    pub from: Option<Vec<String>>,
    /// Towards the beginning of the list.
    pub backwards: bool,
    /// How many rows.
    pub size: usize,
}

/// What a list's cursors carry, so that one made for another filter or order is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of everything that decides what is in a list and in which order.
    pub fn of(list: &impl std::fmt::Debug) -> Self {
        let digest = Sha256::digest(format!("{list:?}"));
        Self(BASE64_URL_SAFE_NO_PAD.encode(digest.get(..6).unwrap_or_default()))
    }

    /// A cursor that holds these parts.
    pub fn cursor(&self, parts: &[impl AsRef<str>]) -> String {
        let mut text = self.0.clone();
        for part in parts {
            text.push(SEPARATOR);
            text.push_str(part.as_ref());
        }
        BASE64_URL_SAFE_NO_PAD.encode(text)
    }

    /// The parts of a cursor; `None` if it is not from this list. Nothing that we put into one has control
    /// characters, and PostgreSQL takes no text with a NUL.
    pub fn parts(&self, cursor: &str) -> Option<Vec<String>> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let mut parts = text.split(SEPARATOR);
        let is_ours = parts.next() == Some(&self.0)
            && parts
                .clone()
                .all(|part| !part.chars().any(char::is_control));
        is_ours.then(|| parts.map(str::to_owned).collect())
    }
}

impl Page {
    /// How many rows to read: one more than the page holds, so that it is seen whether there are any.
    pub fn most(&self) -> u64 {
        u64::try_from(self.size).unwrap_or(0) + 1
    }

    /// The rows of the page, of those that were read in the list's order, and whether others are before and after them.
    pub fn cut<T>(&self, mut rows: Vec<T>) -> (Vec<T>, bool, bool) {
        let more = rows.len() > self.size;
        if more && self.backwards {
            rows.remove(0);
        }
        rows.truncate(self.size);
        if self.backwards {
            (rows, more, self.from.is_some())
        } else {
            (rows, self.from.is_some(), more)
        }
    }
}

impl PageArguments {
    /// Checks them against the list that they are for.
    pub fn check(&self, list: &Fingerprint) -> ApiResult<Page> {
        let (size, backwards, cursor) = match (self.first, self.last) {
            (Some(first), None) => (first, false, &self.after),
            (None, Some(last)) => (last, true, &self.before),
            (Some(_), Some(_)) => {
                return Err(ApiError::bad_input(
                    "BAD_PAGE",
                    "give first or last, not both",
                ));
            }
            (None, None) => {
                return Err(ApiError::bad_input("BAD_PAGE", "give first or last"));
            }
        };
        if (if backwards { &self.after } else { &self.before }).is_some() {
            return Err(ApiError::bad_input(
                "BAD_PAGE",
                "after goes with first, before goes with last",
            ));
        }
        let size = usize::try_from(size)
            .ok()
            .filter(|_| (1..=MOST).contains(&size))
            .ok_or_else(|| {
                ApiError::bad_input("BAD_PAGE", format!("a page has 1 to {MOST} rows"))
            })?;
        let from = match cursor {
            None => None,
            Some(cursor) => Some(list.parts(cursor).ok_or_else(bad_cursor)?),
        };
        Ok(Page {
            from,
            backwards,
            size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_where_it_ends_and_says_what_is_around_it() {
        let page = |backwards, from: Option<&str>| Page {
            from: from.map(|part| vec![part.to_owned()]),
            backwards,
            size: 2,
        };
        assert_eq!(page(false, None).most(), 3);
        assert_eq!(
            page(false, None).cut(vec![1, 2, 3]),
            (vec![1, 2], false, true)
        );
        assert_eq!(
            page(false, Some("0")).cut(vec![1, 2]),
            (vec![1, 2], true, false)
        );
        assert_eq!(
            page(true, Some("4")).cut(vec![1, 2, 3]),
            (vec![2, 3], true, true)
        );
        assert_eq!(page(true, None).cut(vec![2, 3]), (vec![2, 3], false, false));
    }
}
