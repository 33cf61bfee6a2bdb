//! Patterns with stars.

/// Whether a name is the pattern's, in which `*` is any text: the texts between stars are looked for in
/// their order, each at its first place, which takes no time that grows with the number of stars.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut left) = name.strip_prefix(start).and_then(|left| left.strip_suffix(end)) else {
        return false;
    };
    middle.split('*').all(|part| match left.find(part) {
        Some(at) => {
            left = &left[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_many_take_no_time() {
        for (pattern, name, expected) in [
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("**b*", "abc", true),
            ("a*b*c", "acbc", true),
            ("a*bb*c", "abc", false),
            ("ab*bc", "abc", false),
            ("ab*ba", "aba", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(1000), &"a".repeat(999)));
    }
}
