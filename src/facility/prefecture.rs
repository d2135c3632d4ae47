//! The 47 prefectures and the regional bureaus they belong to.

/// A prefecture by its JIS X 0401 number, 1 to 47.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefecture(pub u8);

/// One of the eight regional bureaus (地方厚生局).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bureau {
    /// 北海道厚生局
    Hokkaido,
}

impl Bureau {
    /// The prefectures it looks after.
    pub fn prefectures(self) -> Vec<Prefecture> {
        vec![Prefecture(1)]
    }
}
