//! Kinds of settings: how each is written, read and shown. What is wrong is told by what was expected,
//! never by the value of a secret.

use std::{net::SocketAddr, ops::RangeInclusive, str::FromStr, time::Duration};

use crate::{
    db,
    http::{Network, ProxyHeader},
};

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[hidden]")
    }
}

/// A setting as it was written, before it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// A text, a number, true or false.
    Text(String),
    /// A list of such.
    List(Vec<String>),
}

impl Raw {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.trim()),
            Self::List(_) => None,
        }
    }

    /// A list, or a text with commas, as the environment has it.
    fn items(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .collect(),
            Self::List(items) => items.iter().map(|item| item.trim()).collect(),
        }
    }
}

impl std::fmt::Display for Raw {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "{text:?}"),
            Self::List(items) => write!(formatter, "{items:?}"),
        }
    }
}

type Read<T> = Box<dyn Fn(&Raw) -> Option<T>>;
type Show<T> = Box<dyn Fn(&T) -> String>;

/// How a setting of one kind is read, shown as TOML, and described.
pub struct Kind<T> {
    /// Completes "expected …".
    pub expected: String,
    /// `None` if the value is none of this kind.
    pub read: Read<T>,
    /// As TOML, without secrets.
    pub show: Show<T>,
    /// Never show a wrong value either.
    pub secret: bool,
}

impl<T: 'static> Kind<T> {
    fn new(
        expected: impl Into<String>,
        read: impl Fn(&Raw) -> Option<T> + 'static,
        show: impl Fn(&T) -> String + 'static,
    ) -> Self {
        Self {
            expected: expected.into(),
            read: Box::new(read),
            show: Box::new(show),
            secret: false,
        }
    }

    fn of_text(
        expected: impl Into<String>,
        read: impl Fn(&str) -> Option<T> + 'static,
        show: impl Fn(&T) -> String + 'static,
    ) -> Self {
        Self::new(expected, move |raw| raw.text().and_then(&read), show)
    }

    fn hidden(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }

    /// The same, but it may be absent; written as an empty text.
    pub fn optional(self) -> Kind<Option<T>> {
        let Self {
            expected,
            read,
            show,
            secret,
        } = self;
        Kind {
            expected,
            read: Box::new(move |raw| match raw.text() {
                Some("") => Some(None),
                _ => read(raw).map(Some),
            }),
            show: Box::new(move |value| value.as_ref().map_or_else(|| quoted(""), &show)),
            secret,
        }
    }
}

fn quoted(text: impl AsRef<str>) -> String {
    serde_json::Value::from(text.as_ref()).to_string()
}

fn quoted_list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

/// Any text but an empty one.
pub fn text() -> Kind<String> {
    Kind::of_text(
        "a text",
        |text| (!text.is_empty()).then(|| text.to_owned()),
        |text: &String| quoted(text),
    )
}

/// A whole number.
pub fn number<N>(range: RangeInclusive<N>) -> Kind<N>
where
    N: FromStr + PartialOrd + ToString + 'static,
{
    let expected = format!(
        "a whole number from {} to {}",
        range.start().to_string(),
        range.end().to_string()
    );
    Kind::of_text(
        expected,
        move |text| {
            let number = text.replace('_', "").parse().ok()?;
            range.contains(&number).then_some(number)
        },
        N::to_string,
    )
}

/// Yes or no.
pub fn boolean() -> Kind<bool> {
    Kind::of_text("true or false", |text| text.parse().ok(), bool::to_string)
}

/// One of some words, each with what it stands for.
pub fn word<T: Copy + PartialEq + 'static>(words: &'static [(&'static str, T)]) -> Kind<T> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    Kind::of_text(
        format!("one of {}", names.join(", ")),
        |text| {
            let found = words.iter().find(|(name, _)| *name == text);
            found.map(|(_, value)| *value)
        },
        |value| {
            let found = words.iter().find(|(_, other)| other == value);
            quoted(found.map_or("", |(name, _)| name))
        },
    )
}

/// Words of the header in which proxies name the client.
pub const PROXY_HEADERS: &[(&str, ProxyHeader)] = &[
    ("x-forwarded-for", ProxyHeader::XForwardedFor),
    ("forwarded", ProxyHeader::Forwarded),
];

const DURATION_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// A number and a unit, such as `5s`.
pub fn duration(range: RangeInclusive<Duration>) -> Kind<Duration> {
    let expected = format!(
        "a duration such as 500ms, 5s, 10m or 1h, from {} to {}",
        show_duration(range.start()),
        show_duration(range.end())
    );
    Kind::of_text(
        expected,
        move |text| {
            let duration = Duration::from_millis(amount(text, &DURATION_UNITS)?);
            range.contains(&duration).then_some(duration)
        },
        |duration| quoted(show_duration(duration)),
    )
}

fn show_duration(duration: &Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    show_amount(millis, &DURATION_UNITS)
}

const SIZE_UNITS: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A number of bytes, such as `10MiB`.
pub fn size(range: RangeInclusive<usize>) -> Kind<usize> {
    let show = |bytes: &usize| show_amount(u64::try_from(*bytes).unwrap_or(0), &SIZE_UNITS);
    let expected = format!(
        "a size such as 64KiB or 10MiB, from {} to {}",
        show(range.start()),
        show(range.end())
    );
    Kind::of_text(
        expected,
        move |text| {
            let bytes = usize::try_from(amount(text, &SIZE_UNITS)?).ok()?;
            range.contains(&bytes).then_some(bytes)
        },
        move |bytes| quoted(show(bytes)),
    )
}

fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn show_amount(amount: u64, units: &[(&str, u64)]) -> String {
    let whole = |factor: &u64| amount.checked_rem(*factor) == Some(0) && amount >= *factor;
    units
        .iter()
        .rev()
        .find(|(_, factor)| whole(factor))
        .map_or_else(
            || format!("{amount}{}", units.first().map_or("", |(name, _)| name)),
            |(name, factor)| format!("{}{name}", amount.checked_div(*factor).unwrap_or(0)),
        )
}

/// An address and a port to listen on.
pub fn socket_address() -> Kind<SocketAddr> {
    Kind::of_text(
        "an address with a port, such as 127.0.0.1:8080 or [::1]:8080",
        |text| text.parse().ok(),
        |address: &SocketAddr| quoted(address.to_string()),
    )
}

/// Networks in CIDR notation, kept with how they were written.
pub fn networks() -> Kind<Vec<(String, Network)>> {
    Kind::new(
        "a list of networks such as 10.0.0.0/8 or fd00::/8",
        |raw| {
            let read = |item: &str| Some((item.to_owned(), item.parse().ok()?));
            raw.items().into_iter().map(read).collect()
        },
        |networks: &Vec<(String, Network)>| {
            let written: Vec<&String> = networks.iter().map(|(text, _)| text).collect();
            quoted_list(&written)
        },
    )
}

/// Origins of pages: scheme, host and port, nothing more.
pub fn origins() -> Kind<Vec<String>> {
    Kind::new(
        "a list of origins such as https://app.example or http://localhost:5173, without a path",
        |raw| {
            let read = |item: &str| {
                let (_, host) = http_parts(item)?;
                (!host.contains('/')).then(|| item.to_ascii_lowercase())
            };
            raw.items().into_iter().map(read).collect()
        },
        |origins: &Vec<String>| quoted_list(origins),
    )
}

/// The address under which people reach this service. A slash at its end is dropped.
pub fn http_url() -> Kind<String> {
    Kind::of_text(
        "a URL such as https://kaitsu.example",
        |text| {
            http_parts(text)?;
            Some(text.trim_end_matches('/').to_owned())
        },
        |text: &String| quoted(text),
    )
}

fn http_parts(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let known = scheme == "http" || scheme == "https";
    let plain = rest
        .chars()
        .all(|c| c.is_ascii_graphic() && !"@?#\"<>\\*".contains(c));
    let host = rest.split('/').next().unwrap_or_default();
    (known && plain && !host.is_empty()).then_some((scheme, rest))
}

/// The URL of a database.
pub fn database_url() -> Kind<Secret> {
    Kind::of_text(
        "a URL such as sqlite:kaitsu.db?mode=rwc or postgres://user:password@host/name",
        |text| db::is_database_url(text).then(|| Secret::new(text)),
        |url| quoted(without_password(url.expose())),
    )
    .hidden()
}

/// Where mails go.
pub fn mail_url() -> Kind<Secret> {
    Kind::of_text(
        "a URL such as smtp://user:password@host:587?tls=required, smtps://host, file:DIR or memory:",
        |text| {
            let host = text
                .strip_prefix("smtp://")
                .or_else(|| text.strip_prefix("smtps://"));
            let directory = text.strip_prefix("file:");
            let good = text == "memory:"
                || host.or(directory).is_some_and(|rest| !rest.is_empty());
            good.then(|| Secret::new(text))
        },
        |url| quoted(without_password(url.expose())),
    )
    .hidden()
}

/// A name and an address that were checked to make a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The name that people see, if any.
    pub name: Option<String>,
    /// The address.
    pub address: String,
}

impl Default for Sender {
    fn default() -> Self {
        Self {
            name: Some("Kaitsu".to_owned()),
            address: "no-reply@localhost".to_owned(),
        }
    }
}

impl std::fmt::Display for Sender {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(formatter, "{name} <{}>", self.address),
            None => formatter.write_str(&self.address),
        }
    }
}

/// A mailbox, with a name or without.
pub fn sender() -> Kind<Sender> {
    Kind::of_text(
        "an address such as Kaitsu <no-reply@kaitsu.example>",
        |text| {
            let mailbox: lettre::message::Mailbox = text.parse().ok()?;
            Some(Sender {
                name: mailbox.name,
                address: mailbox.email.to_string(),
            })
        },
        |sender| quoted(sender.to_string()),
    )
}

/// What is logged, as `tracing` writes it.
pub fn log_filter() -> Kind<String> {
    Kind::of_text(
        "a filter such as info or info,kaitsu=debug",
        |text| {
            let parsed = tracing_subscriber::EnvFilter::builder().parse(text);
            (parsed.is_ok() && !text.is_empty()).then(|| text.to_owned())
        },
        |text: &String| quoted(text),
    )
}

/// Parameters of URLs that hold no secret.
const SHOWN_PARAMETERS: [&str; 5] = ["mode", "sslmode", "tls", "application_name", "cache"];

/// A URL without what must not be seen: everything before the last `@` but the user's name, and the values
/// of parameters that may be secret.
pub fn without_password(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let (user, place) = match rest.rsplit_once('@') {
        Some((credentials, place)) => {
            let user = match credentials.split_once(':') {
                Some((user, _)) => format!("{user}:***@"),
                None => format!("{credentials}@"),
            };
            (user, place)
        }
        None => (String::new(), rest),
    };
    let Some((path, query)) = place.split_once('?') else {
        return format!("{scheme}{user}{place}");
    };
    let parameters: Vec<String> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if !SHOWN_PARAMETERS.contains(&name) => format!("{name}=***"),
            _ => parameter.to_owned(),
        })
        .collect();
    format!("{scheme}{user}{path}?{}", parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(kind: &Kind<T>, text: &str) -> Option<T> {
        (kind.read)(&Raw::Text(text.to_owned()))
    }

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        let kind = duration(Duration::from_millis(1)..=Duration::from_secs(86_400));
        assert_eq!(read(&kind, "250ms"), Some(Duration::from_millis(250)));
        assert_eq!(read(&kind, "10m"), Some(Duration::from_secs(600)));
        for wrong in [
            "10",
            "s",
            "1.5s",
            "-1s",
            "0s",
            "2d",
            "99999999999999999999s",
        ] {
            assert_eq!(read(&kind, wrong), None, "{wrong}");
        }
        assert_eq!((kind.show)(&Duration::from_secs(90)), "\"90s\"");
        assert_eq!((kind.show)(&Duration::from_secs(7_200)), "\"2h\"");
    }

    #[test]
    fn a_size_is_shown_as_it_is_written() {
        let kind = size(1..=1 << 30);
        assert_eq!(read(&kind, "10MiB"), Some(10 << 20));
        assert_eq!(read(&kind, "10MB"), None);
        assert_eq!((kind.show)(&(64 << 10)), "\"64KiB\"");
        assert_eq!((kind.show)(&1_025), "\"1025B\"");
    }

    #[test]
    fn no_password_is_left_in_a_shown_url() {
        for (url, shown) in [
            ("postgres://u:p@h/d", "postgres://u:***@h/d"),
            ("postgres://u:p/w@h/d", "postgres://u:***@h/d"),
            ("postgres://u:p?w@h/d", "postgres://u:***@h/d"),
            ("postgres://u:p@w@h:1/d", "postgres://u:***@h:1/d"),
            (
                "postgres://h/d?password=p&sslmode=require",
                "postgres://h/d?password=***&sslmode=require",
            ),
            ("sqlite:kaitsu.db?mode=rwc", "sqlite:kaitsu.db?mode=rwc"),
            ("smtp://u@h:587?tls=required", "smtp://u@h:587?tls=required"),
        ] {
            assert_eq!(without_password(url), shown);
        }
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[hidden]");
    }

    #[test]
    fn an_origin_has_no_path() {
        let kind = origins();
        assert_eq!(
            read(&kind, "https://a.example, http://localhost:5173"),
            Some(vec![
                "https://a.example".to_owned(),
                "http://localhost:5173".to_owned()
            ])
        );
        for wrong in ["a.example", "https://a.example/", "ftp://a", "https://*"] {
            assert_eq!(read(&kind, wrong), None, "{wrong}");
        }
    }
}
