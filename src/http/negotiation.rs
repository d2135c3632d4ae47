//! Media types of GraphQL over HTTP: which one an answer has, by the client's `Accept`, and which one a body may have.
//! Without a preference the answer is `application/json`, whose request errors have status 200 as old clients expect;
//! `application/graphql-response+json` is for those that ask for it and gets true statuses.

use actix_web::{
    HttpRequest,
    http::{StatusCode, header},
};

/// The media type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json`
    Json,
    /// `application/graphql-response+json`
    GraphqlResponse,
}

impl MediaType {
    /// The value of `Content-Type`.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    /// The status of a well-formed request that was refused before it ran.
    #[must_use]
    pub fn request_error(self) -> StatusCode {
        match self {
            Self::Json => StatusCode::OK,
            Self::GraphqlResponse => StatusCode::BAD_REQUEST,
        }
    }

    fn essence(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::GraphqlResponse => "application/graphql-response+json",
        }
    }
}

/// How well a range of `Accept` fits a media type; the order of the fields is that of their weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// 3 for the very type, 2 for `application/*`, 1 for `*/*`.
    exactness: u8,
    /// Thousandths.
    quality: u16,
    /// Earlier ranges are greater.
    earliness: usize,
}

/// Chooses the type of the answer; `None` if the client takes neither (406).
#[must_use]
pub fn answer_type(request: &HttpRequest) -> Option<MediaType> {
    let mut ranges = request
        .headers()
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .peekable();
    if ranges.peek().is_none() {
        return Some(MediaType::Json);
    }
    choose(ranges)
}

fn choose<'r>(ranges: impl Iterator<Item = &'r str>) -> Option<MediaType> {
    let mut json: Option<Fit> = None;
    let mut graphql: Option<Fit> = None;
    for (index, range) in ranges.enumerate() {
        let Some((essence, quality)) = read_range(range) else {
            continue;
        };
        for (media, best) in [
            (MediaType::Json, &mut json),
            (MediaType::GraphqlResponse, &mut graphql),
        ] {
            let exactness = if essence.eq_ignore_ascii_case(media.essence()) {
                3
            } else if essence.eq_ignore_ascii_case("application/*") {
                2
            } else if essence == "*/*" {
                1
            } else {
                continue;
            };
            let fit = Fit {
                exactness,
                quality,
                earliness: usize::MAX - index,
            };
            // The most exact range decides on a type, be it to refuse it.
            *best = (*best).max(Some(fit));
        }
    }
    let rank = |fit: Fit| (fit.quality, fit.exactness, fit.earliness);
    let json = json.filter(|fit| fit.quality > 0);
    let graphql = graphql.filter(|fit| fit.quality > 0);
    match (json, graphql) {
        (Some(json), Some(graphql)) if rank(graphql) > rank(json) => {
            Some(MediaType::GraphqlResponse)
        }
        (Some(_), _) => Some(MediaType::Json),
        (None, Some(_)) => Some(MediaType::GraphqlResponse),
        (None, None) => None,
    }
}

/// A media range with its quality in thousandths; `None` if it is malformed or asks for another charset than UTF-8.
fn read_range(range: &str) -> Option<(&str, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let essence = parts.next()?;
    let mut quality = 1000;
    for part in parts {
        let Some((name, value)) = part.split_once('=') else {
            continue;
        };
        match (name.trim(), value.trim().trim_matches('"')) {
            ("q" | "Q", value) => quality = thousandths(value)?,
            (name, value) if name.eq_ignore_ascii_case("charset") => {
                is_utf8(value).then_some(())?;
            }
            _ => {}
        }
    }
    Some((essence, quality))
}

/// `0`, `1`, `0.5`, `1.000` (RFC 9110, section 12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    Some((whole * 1000 + fraction).min(1000))
}

fn is_utf8(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

/// Whether a body of this request may be read: `application/json` in UTF-8, not compressed. Anything else a browser
/// could send from a foreign page without asking first.
#[must_use]
pub fn is_json(request: &HttpRequest) -> bool {
    let mut types = request.headers().get_all(header::CONTENT_TYPE);
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    if only == "application/json" {
        return is_plain(request);
    }
    let Ok(text) = only.to_str() else {
        return false;
    };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|part| match part.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                is_utf8(value.trim().trim_matches('"'))
            }
            _ => true,
        })
        && is_plain(request)
}

fn is_plain(request: &HttpRequest) -> bool {
    request
        .headers()
        .get(header::CONTENT_ENCODING)
        .is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("application/json", Some(MediaType::Json))]
    #[case("application/graphql-response+json", Some(MediaType::GraphqlResponse))]
    #[case("*/*", Some(MediaType::Json))]
    #[case("application/*", Some(MediaType::Json))]
    #[case(
        "application/graphql-response+json, */*",
        Some(MediaType::GraphqlResponse)
    )]
    #[case("*/*, application/graphql-response+json;q=0.1", Some(MediaType::Json))]
    #[case(
        "application/json;q=0.5, application/graphql-response+json",
        Some(MediaType::GraphqlResponse)
    )]
    #[case(
        "application/json, application/graphql-response+json;q=0.9",
        Some(MediaType::Json)
    )]
    #[case("application/json;q=0, */*", Some(MediaType::GraphqlResponse))]
    #[case(
        "APPLICATION/GraphQL-Response+JSON; charset=UTF-8",
        Some(MediaType::GraphqlResponse)
    )]
    #[case("application/json; charset=shift_jis", None)]
    #[case("application/json;q=0", None)]
    #[case("text/html", None)]
    #[case("text/html,application/xhtml+xml,*/*;q=0.8", Some(MediaType::Json))]
    #[case("application/json;q=nonsense", None)]
    fn the_clients_preference_decides(#[case] accept: &str, #[case] expected: Option<MediaType>) {
        assert_eq!(choose(accept.split(',').map(str::trim)), expected);
    }

    #[rstest]
    #[case("1", Some(1000))]
    #[case("0.8", Some(800))]
    #[case("0.001", Some(1))]
    #[case("1.5", Some(1000))]
    #[case("2", None)]
    #[case("-1", None)]
    #[case("0.1234", None)]
    fn qualities_are_read_in_thousandths(#[case] text: &str, #[case] expected: Option<u16>) {
        assert_eq!(thousandths(text), expected);
    }
}
