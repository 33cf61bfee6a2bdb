//! As much of XML as files of boxes have: elements with elements or text in them.
//!
//! Attributes, comments and instructions are passed over. Declarations of a document type are refused,
//! since they can make much of little.

/// How deep elements may lie in each other; files of boxes have five.
const MAX_DEPTH: usize = 32;

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Its name.
    pub(super) name: String,
    /// The elements in it.
    pub(super) elements: Vec<Element>,
    /// The text in it, without spaces around it.
    pub(super) text: String,
}

impl Element {
    /// The elements of this name in it.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Self> {
        self.elements.iter().filter(move |element| element.name == name)
    }

    /// The only element of this name.
    ///
    /// # Errors
    ///
    /// Where there is none, or more than one, in words.
    pub(super) fn only(&self, name: &str) -> Result<&Self, String> {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(format!("no <{name}> in <{}>", self.name)),
            (Some(_), Some(_)) => Err(format!("more than one <{name}> in <{}>", self.name)),
        }
    }
}

/// The outermost element of a text.
///
/// # Errors
///
/// What is wrong, and in which line.
pub(super) fn parse(text: &str) -> Result<Element, String> {
    let mut rest = text;
    parse_rest(&mut rest).map_err(|problem| {
        let read = &text[..text.len() - rest.len()];
        format!("line {}: {problem}", read.matches('\n').count() + 1)
    })
}

fn parse_rest(rest: &mut &str) -> Result<Element, String> {
    // The elements that are open, the outermost first.
    let mut open: Vec<Element> = Vec::new();
    let mut whole = None;
    loop {
        let end = rest.find('<').unwrap_or(rest.len());
        let text = &rest[..end];
        match open.last_mut() {
            Some(element) => element.text.push_str(&unescaped(text)?),
            None if text.trim().is_empty() => {}
            None => return Err("text outside of elements".to_string()),
        }
        *rest = &rest[end..];
        if rest.is_empty() {
            let unclosed = open.last().map(|element| format!("<{}> is not closed", element.name));
            return unclosed.map_or_else(|| whole.ok_or("no element".to_string()), Err);
        }
        if let Some(inside) = rest.strip_prefix("<?") {
            *rest = after(inside, "?>")?.1;
        } else if let Some(inside) = rest.strip_prefix("<!--") {
            *rest = after(inside, "-->")?.1;
        } else if let Some(inside) = rest.strip_prefix("<![CDATA[") {
            let (text, behind) = after(inside, "]]>")?;
            open.last_mut().ok_or("text outside of elements")?.text.push_str(text);
            *rest = behind;
        } else if rest.starts_with("<!") {
            return Err("declarations of a document type are not read".to_string());
        } else if let Some(inside) = rest.strip_prefix("</") {
            let (name, behind) = after(inside, ">")?;
            let name = name.trim_end();
            let mut closed =
                open.pop().ok_or_else(|| format!("</{}> closes nothing", short(name)))?;
            if closed.name != name {
                let name = short(name);
                return Err(format!("expected </{}>, got </{name}>", short(&closed.name)));
            }
            closed.text = closed.text.trim().to_string();
            *rest = behind;
            match open.last_mut() {
                Some(outer) => outer.elements.push(closed),
                None => whole = Some(closed),
            }
        } else {
            let (element, empty, behind) = start(&rest[1..])?;
            if whole.is_some() {
                return Err("more than one outermost element".to_string());
            }
            *rest = behind;
            if !empty && open.len() == MAX_DEPTH {
                return Err(format!("more than {MAX_DEPTH} elements in each other"));
            }
            match (empty, open.last_mut()) {
                (true, Some(outer)) => outer.elements.push(element),
                (true, None) => whole = Some(element),
                (false, _) => open.push(element),
            }
        }
    }
}

/// What is before and after the next `end`.
fn after<'a>(text: &'a str, end: &str) -> Result<(&'a str, &'a str), String> {
    text.split_once(end).ok_or_else(|| format!("expected {end}, got the end of the file"))
}

/// The element that a start tag opens, whether it is closed at once, and what comes after it. The text
/// begins after the `<`.
fn start(text: &str) -> Result<(Element, bool, &str), String> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    let length = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(length);
    if name.is_empty() {
        return Err("expected the name of an element after <".to_string());
    }
    // A value of an attribute may have anything in it but its own quote.
    loop {
        let at = rest.find(['>', '"', '\'']).ok_or(format!("<{}> has no end", short(name)))?;
        let (before, from) = rest.split_at(at);
        let quote = &from[..1];
        if quote == ">" {
            let element = Element { name: name.to_string(), ..Element::default() };
            return Ok((element, before.ends_with('/'), &from[1..]));
        }
        rest = after(&from[1..], quote)?.1;
    }
}

/// A text whose references are replaced by what they stand for.
fn unescaped(text: &str) -> Result<String, String> {
    let mut parts = text.split('&');
    let mut whole = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (name, rest) = part.split_once(';').ok_or("an & without a ; after it")?;
        let number =
            |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let c = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
                (Some(digits), _) => number(digits, 16),
                (None, Some(digits)) => number(digits, 10),
                (None, None) => None,
            },
        };
        whole.push(c.ok_or_else(|| format!("&{}; is not known", short(name)))?);
        whole.push_str(rest);
    }
    Ok(whole)
}

/// A text of the file for a message.
fn short(text: &str) -> String {
    crate::text::shortened(&crate::text::printable(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn elements_have_elements_and_text() {
        let text = "<?xml version='1.0'?>\n<!-- <no> -->\n<a x='>' y=\"/>\">\n <b>1 &lt; 2 &#65;&#x42;</b>\
                    <c/><b > <![CDATA[<&>]]> </b ></a>\n";
        let a = parse(text).expect("well formed");
        assert_eq!(a.name, "a");
        let texts: Vec<&str> = a.all("b").map(|b| b.text.as_str()).collect();
        assert_eq!(texts, ["1 < 2 AB", "<&>"]);
        assert_eq!(a.only("c"), Ok(&Element { name: "c".into(), ..Element::default() }));
        assert_eq!(a.only("b"), Err("more than one <b> in <a>".to_string()));
        assert_eq!(a.only("d"), Err("no <d> in <a>".to_string()));
    }

    #[test]
    fn what_is_not_well_formed_is_refused_with_its_line() {
        for (text, problem) in [
            ("", "line 1: no element"),
            ("<a>\n<b>\n</a>", "line 3: expected </b>, got </a>"),
            ("<a>\n", "line 2: <a> is not closed"),
            ("</a>", "line 1: </a> closes nothing"),
            ("<a/><b/>", "line 1: more than one outermost element"),
            ("a<a/>", "line 1: text outside of elements"),
            ("<a/>\n\nb<", "line 1: text outside of elements"),
            ("<a>&b;</a>", "line 1: &b; is not known"),
            ("<a>&#xd800;</a>", "line 1: &#xd800; is not known"),
            ("<a>1 & 2</a>", "line 1: an & without a ; after it"),
            ("<a", "line 1: <a> has no end"),
            ("<a b='>", "line 1: expected ', got the end of the file"),
            ("< a/>", "line 1: expected the name of an element after <"),
            ("<!DOCTYPE a><a/>", "line 1: declarations of a document type are not read"),
            ("<a><!-- </a>", "line 1: expected -->, got the end of the file"),
        ] {
            assert_eq!(parse(text), Err(problem.to_string()), "{text}");
        }
        let deep = parse(&"<a>".repeat(1 << 20));
        assert_eq!(deep, Err("line 1: more than 32 elements in each other".to_string()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(<|>|/|a|!|--|&|;|'|\\?|\\[|é|\n){0,40}") {
            let _ = parse(&text);
        }
    }
}
