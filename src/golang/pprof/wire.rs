//! The wire format of protocol buffers (protobuf.dev, "Encoding"), as far as profiles use it: fields of varints and of
//! bytes, repeated numbers packed or not. Refuses to allocate, and to read past the end of anything.

/// A field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A varint; signed ones in two's complement.
    Number(u64),
    /// A string, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// Four or eight bytes, which no field of a profile is.
    Fixed,
}

/// What breaks the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// The fields of one message, in the order in which they were written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a>(pub(super) &'a [u8]);

impl<'a> Message<'a> {
    /// The next field with its number; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Broken> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = varint(&mut self.0)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut self.0)?),
            1 => self.skip(8)?,
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).map_err(|_| Broken)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Broken)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            5 => self.skip(4)?,
            // Groups ended with proto2.
            _ => return Err(Broken),
        };
        Ok(Some((key >> 3, field)))
    }

    fn skip(&mut self, bytes: usize) -> Result<Field<'a>, Broken> {
        self.0 = self.0.get(bytes..).ok_or(Broken)?;
        Ok(Field::Fixed)
    }
}

impl<'a> Field<'a> {
    pub(super) fn number(self) -> Result<u64, Broken> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) | Self::Fixed => Err(Broken),
        }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], Broken> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) | Self::Fixed => Err(Broken),
        }
    }

    /// The numbers of a repeated field, of which this is one, or all of them packed.
    pub(super) fn numbers(self, into: &mut Vec<u64>) -> Result<(), Broken> {
        match self {
            Self::Number(number) => into.push(number),
            Self::Bytes(mut packed) => {
                while !packed.is_empty() {
                    into.push(varint(&mut packed)?);
                }
            }
            Self::Fixed => return Err(Broken),
        }
        Ok(())
    }
}

/// Seven bits a byte, the lowest first; at most ten bytes.
fn varint(bytes: &mut &[u8]) -> Result<u64, Broken> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if index == 9 && bits > 1 {
            return Err(Broken);
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return Ok(value);
        }
    }
    Err(Broken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_every_length() {
        for (bytes, expected) in [
            (&[0u8][..], Ok(0)),
            (&[0x96, 1], Ok(150)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Ok(u64::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], Err(Broken)),
            (&[0x80], Err(Broken)),
            (&[], Err(Broken)),
        ] {
            assert_eq!(varint(&mut &*bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn fields_in_their_order() {
        let mut message = Message(&[0x08, 0x05, 0x12, 2, b'o', b'k', 0x1d, 1, 2, 3, 4, 0x08, 0x06]);
        assert_eq!(message.next(), Ok(Some((1, Field::Number(5)))));
        assert_eq!(message.next(), Ok(Some((2, Field::Bytes(b"ok")))));
        assert_eq!(message.next(), Ok(Some((3, Field::Fixed))));
        assert_eq!(message.next(), Ok(Some((1, Field::Number(6)))));
        assert_eq!(message.next(), Ok(None));
        assert_eq!(Message(&[0x12, 3, b'o', b'k']).next(), Err(Broken), "longer than there is");
        assert_eq!(Message(&[0x0b]).next(), Err(Broken), "a group");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_loop(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut message = Message(&bytes);
            let mut fields = 0;
            while let Ok(Some((_, field))) = message.next() {
                fields += 1;
                let _ = field.numbers(&mut Vec::new());
            }
            prop_assert!(fields <= bytes.len());
        }
    }
}
