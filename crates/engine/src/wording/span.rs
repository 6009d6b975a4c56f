//! Lengths of time as people read them, the same in `check` and in alerts.

/// Whole units, of the size that fits.
pub fn span(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    match minutes {
        0..2 => format!("{} s", ms.max(0) / 1000),
        2..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_told_in_the_unit_that_fits() {
        let told = [-5, 1_999, 119_999, 120_000, 7_199_999, 7_200_000, 172_799_999, 172_800_000].map(span);
        assert_eq!(told, ["0 s", "1 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
    }
}
