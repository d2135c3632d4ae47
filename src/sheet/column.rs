//! The columns that a sheet may have, and how their headings are guessed. Whatever is none of them is left alone and
//! comes back as it was.

use serde::{Deserialize, Serialize};

use super::SheetProblem;
use crate::{auth::Language, facility::text::fold, milestone::Milestone};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Field {
    /// The institution code: ten digits, nine that have lost their zero, or seven beside prefecture and fee table.
    Code,
    /// The organisation's own reference for the facility.
    Reference,
    /// The prefecture, by number or name, of a code of seven digits.
    Prefecture,
    /// The fee table of a code of seven digits, by digit, name or kind of facility.
    FeeTable,
    /// The version that was exported.
    Version,
    /// The day on which a milestone was reached.
    Reached(Milestone),
    /// The day for which it is planned.
    Planned(Milestone),
    /// All that holds the facility up.
    Blockers,
    /// A remark kept with what the row records.
    Note,
}

impl Field {
    /// All of them, in the order in which we write them.
    pub fn all() -> impl Iterator<Item = Self> {
        let names = [
            Self::Code,
            Self::Reference,
            Self::Prefecture,
            Self::FeeTable,
            Self::Version,
        ];
        let milestones = Milestone::ALL.into_iter();
        names
            .into_iter()
            .chain(milestones.clone().map(Self::Planned))
            .chain(milestones.map(Self::Reached))
            .chain([Self::Blockers, Self::Note])
    }

    /// Does a facility follow from it alone?
    pub fn identifies(self) -> bool {
        matches!(self, Self::Code | Self::Reference)
    }

    /// Does it change anything?
    pub fn writes(self) -> bool {
        matches!(self, Self::Reached(_) | Self::Planned(_) | Self::Blockers)
    }

    /// Its heading in our own files.
    pub fn heading(self, language: Language) -> String {
        let (ja, en) = match self {
            Self::Code => ("医療機関コード", "Institution code"),
            Self::Reference => ("自社管理番号", "Own reference"),
            Self::Prefecture => ("都道府県", "Prefecture"),
            Self::FeeTable => ("点数表", "Fee table"),
            Self::Version => ("版", "Version"),
            Self::Blockers => ("阻害要因", "Blockers"),
            Self::Note => ("備考", "Remark"),
            Self::Reached(milestone) => {
                return match language {
                    Language::Ja => format!("{}日", milestone.label_ja()),
                    Language::En => format!("{} on", word(milestone)),
                };
            }
            Self::Planned(milestone) => {
                return match language {
                    Language::Ja => format!("{}予定日", milestone.label_ja()),
                    Language::En => format!("{} planned", word(milestone)),
                };
            }
        };
        match language {
            Language::Ja => ja,
            Language::En => en,
        }
        .to_owned()
    }

    /// The field that a heading most likely means.
    pub fn guess(heading: &str) -> Option<Self> {
        let heading = folded(heading);
        Self::all().find(|field| field.names().any(|name| folded(&name) == heading))
    }

    /// By which headings it is known beside its own.
    fn names(self) -> impl Iterator<Item = String> {
        let own = Language::ALL.map(|language| self.heading(language));
        own.into_iter().chain(self.other_names())
    }

    fn other_names(self) -> Vec<String> {
        let others: &[&str] = match self {
            Self::Code => &[
                "code",
                "保険医療機関コード",
                "医療機関番号",
                "機関コード",
                "薬局コード",
                "保険薬局コード",
                "institution_code",
            ],
            Self::Reference => &[
                "reference",
                "管理番号",
                "店舗コード",
                "店舗番号",
                "案件番号",
                "store code",
            ],
            Self::Prefecture => &["都道府県コード", "都道府県番号", "都道府県名"],
            Self::FeeTable => &["点数表コード", "点数表区分", "点数表番号", "fee_table"],
            Self::Version => &["バージョン"],
            Self::Blockers => &["blocker", "課題", "未完了の理由"],
            Self::Note => &["note", "コメント", "摘要", "notes"],
            Self::Reached(milestone) => {
                return vec![
                    milestone.label_ja().to_owned(),
                    milestone.column().to_owned(),
                    word(milestone),
                ];
            }
            Self::Planned(milestone) => {
                return vec![
                    format!("{}予定", milestone.label_ja()),
                    format!("{}_planned", word(milestone)),
                ];
            }
        };
        others.iter().map(|name| (*name).to_owned()).collect()
    }
}

/// READER_APPLIED, as the API spells it.
pub fn word(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    let text = value.as_ref().and_then(|value| value.as_str());
    text.unwrap_or_default().to_owned()
}

/// Width, case, kana, spaces and underscores make no difference.
fn folded(heading: &str) -> String {
    fold(heading).replace(['_', '-'], "")
}

/// The columns that we add to a file that comes back: what became of the row, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultColumn {
    /// What became of it.
    Outcome,
    /// What it changes, or every reason why it doesn't.
    Details,
}

impl ResultColumn {
    /// Both, in their order.
    pub const ALL: [Self; 2] = [Self::Outcome, Self::Details];

    /// Its heading.
    pub fn heading(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Outcome, Language::Ja) => "取込結果",
            (Self::Outcome, Language::En) => "Import result",
            (Self::Details, Language::Ja) => "取込結果の内容",
            (Self::Details, Language::En) => "Import details",
        }
    }
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetColumn {
    /// Its heading, as it is in the file.
    pub heading: String,
    /// The first few values that are not empty.
    pub samples: Vec<String>,
    /// What it holds; `None` for one that is left alone.
    pub field: Option<Field>,
}

/// The columns of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// The row of the headings, from 1.
    pub heading_row: u32,
    /// Each column, in its place.
    pub columns: Vec<SheetColumn>,
}

impl Columns {
    /// The columns of such headings, guessed.
    pub fn guessed(heading_row: u32, headings: Vec<String>) -> Self {
        let column = |heading: String| SheetColumn {
            field: Field::guess(&heading),
            heading,
            samples: Vec::new(),
        };
        Self {
            heading_row,
            columns: headings.into_iter().map(column).collect(),
        }
    }

    /// All that is wrong with what its columns are said to hold.
    pub fn problems(&self) -> Vec<SheetProblem> {
        let fields: Vec<Field> = self.fields().collect();
        let mut problems = Vec::new();
        if !fields.iter().any(|field| field.identifies()) {
            problems.push(SheetProblem::NoIdentifyingColumn);
        }
        if !fields.iter().any(|field| field.writes()) {
            problems.push(SheetProblem::NoWritingColumn);
        }
        for field in Field::all() {
            let headings: Vec<String> = self
                .columns
                .iter()
                .filter(|column| column.field == Some(field))
                .map(|column| column.heading.clone())
                .collect();
            if headings.len() > 1 {
                problems.push(SheetProblem::DoubledColumn { headings });
            }
        }
        problems
    }

    /// What its columns hold.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        self.columns.iter().filter_map(|column| column.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heading_of_ours_is_guessed_as_what_it_is_and_no_two_fields_share_a_name() {
        let mut seen = std::collections::HashMap::new();
        for field in Field::all() {
            for language in Language::ALL {
                assert_eq!(Field::guess(&field.heading(language)), Some(field));
            }
            for name in field.names() {
                let earlier = seen.insert(folded(&name), field);
                assert!(earlier.is_none_or(|one| one == field), "{name}");
            }
        }
    }

    #[test]
    fn headings_are_guessed_whatever_their_width_and_case() {
        for (heading, field) in [
            ("医療機関ｺｰﾄﾞ", Field::Code),
            ("ＣＯＤＥ", Field::Code),
            ("準備完了", Field::Reached(Milestone::Ready)),
            ("ready_on", Field::Reached(Milestone::Ready)),
            ("READY", Field::Reached(Milestone::Ready)),
            ("導入作業完了予定", Field::Planned(Milestone::Installed)),
            ("INSTALLED planned", Field::Planned(Milestone::Installed)),
            ("店舗コード", Field::Reference),
        ] {
            assert_eq!(Field::guess(heading), Some(field), "{heading}");
        }
        assert_eq!(Field::guess("電話番号"), None);
        assert_eq!(Field::guess(""), None);
    }

    #[test]
    fn a_sheet_needs_who_and_what_and_no_column_twice() {
        let columns = |headings: &[&str]| {
            let headings = headings.iter().map(|one| (*one).to_owned()).collect();
            Columns::guessed(1, headings).problems()
        };
        assert_eq!(columns(&["code", "READY"]), []);
        assert_eq!(columns(&["READY"]), [SheetProblem::NoIdentifyingColumn]);
        assert_eq!(columns(&["code", "備考"]), [SheetProblem::NoWritingColumn]);
        let headings = ["READY", "準備完了日"].map(str::to_owned).to_vec();
        assert_eq!(
            columns(&["code", "READY", "準備完了日"]),
            [SheetProblem::DoubledColumn { headings }]
        );
    }
}
