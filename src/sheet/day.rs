//! Reads a civil date out of a spreadsheet cell, as Japanese office workers
//! write it: 2021/12/19, 令和3年12月19日, R3.12.19, or the serial number behind
//! an Excel date.
//!
//! A wrong date is worse than none, so anything doubtful is refused: two-digit
//! years without an era, a day before a month, an era on a day when it had not
//! begun or had ended, a date with other text around it.
//!
//! [`Calendar`] is the other half: how a workbook stores days as numbers.

use chrono::{Datelike, Days, NaiveDate};
use unicode_normalization::UnicodeNormalization;

use crate::sheet::read::Cell;

/// How a workbook counts its days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calendar {
    /// 1900-01-01 is day 1, as Excel on Windows counts.
    Since1900,
    /// 1904-01-01 is day 0, as old Excel on the Macintosh counted.
    Since1904,
}

impl Calendar {
    /// The day behind a stored number, without its time of day; `None` for a
    /// bare time of day and for a number outside the years up to 9999.
    pub fn day(self, serial: f64) -> Option<NaiveDate> {
        // Without `as`, the way from a float to an integer leads through text.
        let days: u64 = serial.floor().to_string().parse().ok()?;
        let (year, month, day) = match (self, days) {
            (Self::Since1904, _) => (1904, 1, 1),
            // Day 60 is 29 February 1900, which never was.
            (Self::Since1900, 0 | 60) => return None,
            (Self::Since1900, 1..60) => (1899, 12, 31),
            (Self::Since1900, _) => (1899, 12, 30),
        };
        let day = NaiveDate::from_ymd_opt(year, month, day)?.checked_add_days(Days::new(days))?;
        (day.year() <= 9999).then_some(day)
    }
}

/// A Japanese era with all the ways to write its name.
struct Era {
    names: [&'static str; 4],
    /// The Gregorian year of the era's first year.
    first_year: i32,
    first_day: Option<NaiveDate>,
    last_day: Option<NaiveDate>,
}

const ERAS: [Era; 3] = [
    Era {
        names: ["令和", "令", "R", "r"],
        first_year: 2019,
        first_day: NaiveDate::from_ymd_opt(2019, 5, 1),
        last_day: NaiveDate::from_ymd_opt(2199, 12, 31),
    },
    Era {
        names: ["平成", "平", "H", "h"],
        first_year: 1989,
        first_day: NaiveDate::from_ymd_opt(1989, 1, 8),
        last_day: NaiveDate::from_ymd_opt(2019, 4, 30),
    },
    Era {
        names: ["昭和", "昭", "S", "s"],
        first_year: 1926,
        first_day: NaiveDate::from_ymd_opt(1926, 12, 25),
        last_day: NaiveDate::from_ymd_opt(1989, 1, 7),
    },
];

const SEPARATORS: [char; 3] = ['-', '/', '.'];
const MIDNIGHTS: [&str; 4] = ["0:00", "00:00", "0:00:00", "00:00:00"];

/// The date that a cell holds, or `None` if it holds none or a doubtful one.
///
/// Read are dates with a four-digit year or with an era (Reiwa, Heisei, Showa),
/// eight digits, ISO dates with a midnight time, and five-digit serial numbers
/// of Excel's 1900 system between the years 2000 and 2099.
pub fn parse(cell: &Cell) -> Option<NaiveDate> {
    let day = match cell {
        Cell::Day(day) => *day,
        Cell::Number(number) => from_number(*number)?,
        Cell::Text(text) => from_text(text)?,
        Cell::Empty | Cell::Truth(_) | Cell::Broken(_) => return None,
    };
    (1900..=2199).contains(&day.year()).then_some(day)
}

fn from_number(number: f64) -> Option<NaiveDate> {
    from_digits(&number.to_string())
}

fn from_text(text: &str) -> Option<NaiveDate> {
    let normal: String = text.nfkc().collect();
    let written = compact(without_midnight(normal.trim()))?;
    from_digits(&written)
        .or_else(|| in_era(&written))
        .or_else(|| in_common_years(&written))
}

fn without_midnight(text: &str) -> &str {
    let is_gap = |character: char| character == 'T' || character.is_whitespace();
    match text.rsplit_once(is_gap) {
        Some((day, time)) if MIDNIGHTS.contains(&time) => day,
        _ => text,
    }
}

/// The text without white space, unless it stands between two digits: then two
/// numbers would grow together into another one.
fn compact(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_digit = |character: char| character.is_ascii_digit();
    let grow_together = words
        .iter()
        .zip(words.iter().skip(1))
        .any(|(left, right)| left.ends_with(is_digit) && right.starts_with(is_digit));
    (!grow_together).then(|| words.concat())
}

fn from_digits(digits: &str) -> Option<NaiveDate> {
    if !is_all_digits(digits) {
        return None;
    }
    match digits.len() {
        5 => from_serial(digits),
        8 => {
            let (year, rest) = digits.split_at_checked(4)?;
            let (month, day) = rest.split_at_checked(2)?;
            NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
        }
        _ => None,
    }
}

fn from_serial(serial: &str) -> Option<NaiveDate> {
    let day = Calendar::Since1900.day(serial.parse().ok()?)?;
    (2000..=2099).contains(&day.year()).then_some(day)
}

fn in_common_years(text: &str) -> Option<NaiveDate> {
    let (year, month, day) = parts(text)?;
    if year.len() != 4 || !is_all_digits(year) {
        return None;
    }
    NaiveDate::from_ymd_opt(year.parse().ok()?, month, day)
}

fn in_era(text: &str) -> Option<NaiveDate> {
    ERAS.iter().find_map(|era| {
        let rest = era.names.iter().find_map(|name| text.strip_prefix(name))?;
        day_of_era(era, rest)
    })
}

fn day_of_era(era: &Era, text: &str) -> Option<NaiveDate> {
    let (year, month, day) = parts(text)?;
    let year = match year {
        "元" => 1,
        _ => i32::try_from(short_number(year)?).ok()?,
    };
    let day = NaiveDate::from_ymd_opt(era.first_year + year - 1, month, day)?;
    (era.first_day? <= day && day <= era.last_day?).then_some(day)
}

/// The year as it is written, the month and the day.
fn parts(text: &str) -> Option<(&str, u32, u32)> {
    let (year, month, day) = parts_by_words(text).or_else(|| parts_by_separator(text))?;
    Some((year, short_number(month)?, short_number(day)?))
}

fn parts_by_words(text: &str) -> Option<(&str, &str, &str)> {
    let (year, rest) = text.strip_suffix('日')?.split_once('年')?;
    let (month, day) = rest.split_once('月')?;
    Some((year, month, day))
}

fn parts_by_separator(text: &str) -> Option<(&str, &str, &str)> {
    let separator = text
        .chars()
        .find(|character| SEPARATORS.contains(character))?;
    let (year, rest) = text.split_once(separator)?;
    let (month, day) = rest.split_once(separator)?;
    Some((year, month, day))
}

fn short_number(digits: &str) -> Option<u32> {
    if digits.len() > 2 || !is_all_digits(digits) {
        return None;
    }
    digits.parse().ok()
}

fn is_all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(year, month, day)
    }

    fn read(text: &str) -> Option<NaiveDate> {
        parse(&Cell::Text(text.to_owned()))
    }

    #[test]
    fn every_usual_way_to_write_a_date_is_read() {
        let christmas_week = [
            "2021-12-19",
            "2021/12/19",
            "2021.12.19",
            "20211219",
            "2021年12月19日",
            "令和3年12月19日",
            "R3.12.19",
            "R3/12/19",
            "R03-12-19",
            "r3.12.19",
            "Ｒ３．１２．１９",
            "２０２１／１２／１９",
            "㋿3年12月19日",
            "令3.12.19",
            " 2021 年 12 月 19 日 ",
            "2021-12-19T00:00:00",
            "2021/12/19 0:00",
            "2021-12-19 00:00:00",
            "44549",
        ];
        for text in christmas_week {
            assert_eq!(read(text), day(2021, 12, 19), "{text}");
        }
        assert_eq!(read("2021/2/3"), day(2021, 2, 3));
        assert_eq!(read("2024-02-29"), day(2024, 2, 29));
    }

    #[test]
    fn eras_are_read_from_their_first_to_their_last_day() {
        assert_eq!(read("令和元年5月1日"), day(2019, 5, 1));
        assert_eq!(read("令和1年5月1日"), day(2019, 5, 1));
        for text in ["平成31年4月30日", "H31.4.30", "H31.04.30", "平31/4/30"] {
            assert_eq!(read(text), day(2019, 4, 30), "{text}");
        }
        assert_eq!(read("平成元年1月8日"), day(1989, 1, 8));
        assert_eq!(read("昭和64年1月7日"), day(1989, 1, 7));
        assert_eq!(read("S60.4.1"), day(1985, 4, 1));
    }

    #[test]
    fn anything_doubtful_is_refused() {
        let doubtful = [
            "",
            " ",
            "3",
            "2021/13/25",
            "13/25",
            "12/19",
            "12月19日",
            "12/19/2021",
            "19.12.2021",
            "21/12/19",
            "21年12月19日",
            "R0.1.1",
            "令和0年5月1日",
            "令和1年4月30日",
            "令和元年4月30日",
            "平成31年5月1日",
            "H31.5.1",
            "平成元年1月7日",
            "昭和64年1月8日",
            "S1.12.24",
            "2021/12-19",
            "2021-12/19",
            "R3.12/19",
            "2021-02-29",
            "1899-12-31",
            "2200-01-01",
            "18991231",
            "22000101",
            "納期2021-12-19",
            "2021-12-19頃",
            "2021-12-19-1",
            "2021//12/19",
            "2021-12-",
            "-2021-12-19",
            "2021-012-19",
            "2021-+2-19",
            "2021 12 19",
            "2021/1 2/3",
            "2021-12-19 09:30",
            "2021-12-19T00:00:00Z",
            "2021年12月19",
            "2021年12-19日",
            "R20211219",
            "元年5月1日",
            "36525",
            "73051",
            "4454",
            "445490",
            "44549.5",
            "00000000",
            "20211319",
            "M45.7.30",
            "令和",
            "年月日",
            "T",
            "2021-12-19T",
        ];
        for text in doubtful {
            // 36526 is 2000-01-01, so 36525 lies before.
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_serials_or_eight_digits() {
        assert_eq!(parse(&Cell::Number(44549.0)), day(2021, 12, 19));
        assert_eq!(parse(&Cell::Number(36526.0)), day(2000, 1, 1));
        assert_eq!(parse(&Cell::Number(73050.0)), day(2099, 12, 31));
        assert_eq!(parse(&Cell::Number(20_211_219.0)), day(2021, 12, 19));
        for number in [
            3.0,
            0.0,
            -44549.0,
            44549.5,
            36525.0,
            73051.0,
            2021.0,
            21_001_301.0,
            1e300,
            f64::NAN,
            f64::INFINITY,
            110_112_489.0,
        ] {
            assert_eq!(parse(&Cell::Number(number)), None, "{number}");
        }
    }

    #[test]
    fn other_cells_hold_no_date_unless_they_are_days() {
        let last = day(2199, 12, 31).unwrap();
        assert_eq!(parse(&Cell::Day(last)), Some(last));
        assert_eq!(parse(&Cell::Day(day(2200, 1, 1).unwrap())), None);
        assert_eq!(parse(&Cell::Empty), None);
        assert_eq!(parse(&Cell::Truth(true)), None);
        assert_eq!(parse(&Cell::Broken("#N/A".to_owned())), None);
    }

    #[test]
    fn both_calendars_of_workbooks_are_known() {
        assert_eq!(Calendar::Since1900.day(44549.99), day(2021, 12, 19));
        assert_eq!(Calendar::Since1904.day(43087.0), day(2021, 12, 19));
        assert_eq!(Calendar::Since1900.day(1.0), day(1900, 1, 1));
        assert_eq!(Calendar::Since1900.day(59.0), day(1900, 2, 28));
        assert_eq!(Calendar::Since1900.day(61.0), day(1900, 3, 1));
        assert_eq!(Calendar::Since1904.day(0.0), day(1904, 1, 1));
        assert_eq!(Calendar::Since1900.day(2_958_465.0), day(9999, 12, 31));
        for serial in [
            -1.0,
            0.5,
            60.0,
            2_958_466.0,
            1e18,
            1e300,
            f64::NAN,
            f64::NEG_INFINITY,
        ] {
            assert_eq!(Calendar::Since1900.day(serial), None, "{serial}");
        }
    }
}
