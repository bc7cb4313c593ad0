//! Identifiers that pass their own checks and belong to nobody.

/// Nine digits with a right check digit, then the issue number. They start with 9; cards start with 2 to 6.
pub(super) fn medicare(serial: u64) -> String {
    let stem = format!("9{serial:07}");
    let check: u32 = stem.bytes().zip([1, 3, 7, 9, 1, 3, 7, 9]).map(|(d, w)| u32::from(d - b'0') * w).sum();
    format!("{stem}{}1", check % 10)
}

/// Six digits, a location and a right check letter. Numbers this low are not in use; a practice needs some hundreds.
pub(super) fn provider_number(serial: i64) -> String {
    let stem = format!("{serial:06}");
    let sum: i64 = stem.bytes().zip([3, 5, 8, 4, 2, 1]).map(|(d, w)| i64::from(d - b'0') * w).sum();
    let location = 1;
    let check = b"YXWTLKJHFBA"[((sum + location * 6) % 11) as usize];
    format!("{stem}{location}{}", char::from(check))
}

/// Sixteen digits with a right Luhn digit. `8003608` is where published examples and test patients have theirs; we know of
/// no person's number in that block. `9` after it keeps clear of the examples.
pub(super) fn ihi(serial: u64) -> String {
    let stem = format!("80036089{serial:07}");
    let sum: u32 = stem
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, d)| {
            let d = u32::from(d - b'0');
            if i % 2 == 1 { d } else { d * 2 / 10 + d * 2 % 10 }
        })
        .sum();
    format!("{stem}{}", (10 - sum % 10) % 10)
}

/// A Centrelink customer reference number: nine digits and a right check letter. The first digit tells the state, 2 to 8;
/// here it is 9.
pub(super) fn pension(serial: u64) -> String {
    let stem = format!("9{:08}", serial % 100_000_000);
    let sum: u32 = stem.bytes().enumerate().map(|(i, d)| u32::from(d - b'0') << (9 - i)).sum();
    format!("{stem}{}", char::from(b"XVTSLKJHCBA"[(sum % 11) as usize]))
}

/// A Veterans' Affairs file number of Queensland's form. Numbers of that series ended far below 900,000.
pub(super) fn veteran(serial: u64) -> String {
    format!("QX9{:05}", serial % 100_000)
}
