//! Entity tags (RFC 9110, 8.8.3) that name a version.

/// The version that an entity tag names: `"12"`, also as a weak one.
pub fn version_of_tag(tag: &str) -> Option<u64> {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_quoted_number() {
        for (tag, version) in [
            ("\"12\"", Some(12)),
            (" W/\"3\" ", Some(3)),
            ("12", None),
            ("\"a1\"", None),
            ("*", None),
        ] {
            assert_eq!(version_of_tag(tag), version, "{tag}");
        }
    }
}
