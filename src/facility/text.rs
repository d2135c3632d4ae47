//! Folding Japanese text, so that ﾔｸｷｮｸ, ヤクキョク and やくきょく are one word, and cutting it into
//! grams of two characters for the search index.

use unicode_normalization::UnicodeNormalization;

/// Longest reference of an organisation's own, in characters.
pub const MOST_REFERENCE: usize = 100;

/// Between the texts of one facility in its search text; never part of a query.
const SEPARATOR: char = '\n';

/// Width (NFKC), case and kana folded, white space and middle dots removed.
pub fn fold(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_lowercase)
        .filter(|c| !c.is_whitespace() && *c != '・')
        .map(katakana)
        .collect()
}

/// The search text of a facility: its name, kana and address, folded.
pub fn search_text(name: &str, name_kana: &str, address: &str) -> String {
    [name, name_kana, address].map(fold).join("\n")
}

/// The distinct grams of a folded text: each two neighbouring characters as one number. Different pairs
/// may share a number, so a match is checked against the text.
pub fn grams(folded: &str) -> Vec<i32> {
    let mut grams: Vec<i32> = folded
        .split(SEPARATOR)
        .flat_map(|part| part.chars().zip(part.chars().skip(1)))
        .map(|(first, second)| gram(first, second))
        .collect();
    grams.sort_unstable();
    grams.dedup();
    grams
}

/// Hiragana U+3041–3096 and ゝゞ stand 0x60 below their katakana.
fn katakana(c: char) -> char {
    match c {
        '\u{3041}'..='\u{3096}' | '\u{309D}' | '\u{309E}' => {
            char::from_u32(u32::from(c) + 0x60).unwrap_or(c)
        }
        other => other,
    }
}

/// Most Japanese characters lie below U+10000: two of them fill 32 bits exactly.
fn gram(first: char, second: char) -> i32 {
    let (first, second) = (u32::from(first), u32::from(second));
    (first.rotate_left(16) ^ second).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_case_and_kana_make_no_difference() {
        for written in [
            "ﾔｸｷｮｸ",
            "ヤクキョク",
            "やくきょく",
            "ヤク キョク",
            "ヤク・キョク",
        ] {
            assert_eq!(fold(written), "ヤクキョク", "{written}");
        }
        assert_eq!(fold("ＡＢＣ医院"), "abc医院");
        assert_eq!(fold("ｶﾞ"), "ガ");
    }

    #[test]
    fn every_part_of_a_text_has_its_grams_among_the_texts() {
        let text = fold("みどりヶ丘ファミリークリニック");
        let all = grams(&text);
        for part in ["ヶ丘", "ファミリ", "クリニック", "みどり"] {
            assert!(
                grams(&fold(part)).iter().all(|gram| all.contains(gram)),
                "{part}"
            );
        }
        assert!(!grams("薬局").iter().all(|gram| all.contains(gram)));
    }

    #[test]
    fn grams_do_not_reach_from_one_text_into_the_next() {
        let text = search_text("丘", "オカ", "東京");
        assert!(!grams(&text).contains(&gram('丘', 'オ')));
    }
}
