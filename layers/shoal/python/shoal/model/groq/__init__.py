r"""GROQ filters and projections, the subset that takes documents one by one: `filters` and `projections` open it.

What is supported::

    filter       _type == "movie" && year >= 1990        == != < <= > >= && || ! and parentheses
                 _type in ["movie", "show"]              in, with an array on its right
                 title match ["space", "odyss*"]         match, with patterns written out on its right
                 defined(poster) && references("p-1")    the two functions
    values       "text" 'text' -1.5e3 true null [a, 1]   literals, arrays
                 a.b  a["b"]  a[0]  a[-1]  a[].b         attributes, elements, every element
    projection   {...}  {title, "by": director.name, ...}
                 {cast[]{name}, studio{city}}            projections of what is inside

The meaning is that of the specification and of groq-js, which the tests ask the same questions:

- A comparison has three outcomes: true, false, and null where its sides have no order (`2 > "1"`). `&&`, `||` and
  `!` pass null on, as SQL does; a filter selects what it is true for.
- `==` is true or false. null equals null; arrays and objects equal nothing, not even themselves.
- What is not there is null, also in a projection.
- `match` takes both sides apart into words, without the difference of capital letters; every word of the pattern
  must be one of the text's. `*` stands for any characters within a word.
- `a[]` is a where that is an array, else null; what follows is done with every element, and an array that comes of
  it inside of another `[]` is joined into one.

Where groq-js departs from the specification, the specification holds: strings are ordered by code point, and
`\u{…}` is one code point. Escapes that there are not, and numbers that no double holds, are refused.

To test or project a document takes time in proportion to the length of the expression times that of the document,
and an expression is small (`limits`). No regular expression goes back on what it has read.
"""
