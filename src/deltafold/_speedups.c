/* What every event of a stream goes through, in C: plain JSON, blocks that match a template, objects made.

   Each of these has a twin in Python, which decides what is right: `wire/json_text.py`,
   `parsing/templates.py` and `model/frozen.py` say what it does. What is not plain is not read here: the twin
   reads it. Nothing is kept of a stream but names of members, in a table that does not grow. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Whether the letters of a text can be read. Of older versions some may have to be made first. */
#if PY_VERSION_HEX < 0x030C0000
#define IS_READY(text) (PyUnicode_READY(text) == 0)
#else
#define IS_READY(text) 1
#endif

/* ------------------------------------------------------------------------------------------------ octets */

#define EACH(octet) ((uint64_t)0x0101010101010101u * (octet))
#define HAS_ZERO(word) (((word) - EACH(0x01)) & ~(word) & EACH(0x80))

/* Where the first quote, backslash, control character or octet that is not ASCII stands, or `stop`. */
static Py_ssize_t
plain_until(const Py_UCS1 *octets, Py_ssize_t at, Py_ssize_t stop)
{
    uint64_t word;
    for (; at + 8 <= stop; at += 8) {
        memcpy(&word, octets + at, 8);
        if (HAS_ZERO(word ^ EACH('"')) | HAS_ZERO(word ^ EACH('\\'))
            | ((word - EACH(0x20)) & ~word & EACH(0x80)) | (word & EACH(0x80))) {
            break;
        }
    }
    while (at < stop && octets[at] >= 0x20 && octets[at] < 0x80 && octets[at] != '"' && octets[at] != '\\') {
        at++;
    }
    return at;
}

static int
is_digit(Py_UCS4 letter)
{
    return letter >= '0' && letter <= '9';
}

static int
hex_digit(Py_UCS4 letter)
{
    if (is_digit(letter)) {
        return (int)(letter - '0');
    }
    letter |= 0x20;
    return letter >= 'a' && letter <= 'f' ? (int)(letter - 'a') + 10 : -1;
}

/* What stands for a letter behind a backslash; 0 for none of them. */
static Py_UCS4
unescaped(Py_UCS4 letter)
{
    switch (letter) {
    case '"': case '\\': case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

/* Where a string ends whose text starts at `at`: at its closing quote. -1 where it is not plain. */
static Py_ssize_t
string_end(int kind, const void *data, Py_ssize_t at, Py_ssize_t size, int *has_escapes)
{
    while (at < size) {
        if (kind == PyUnicode_1BYTE_KIND) {
            at = plain_until(data, at, size);
            if (at >= size) {
                break;
            }
        }
        Py_UCS4 letter = PyUnicode_READ(kind, data, at);
        if (letter == '"') {
            return at;
        }
        if (letter < 0x20) {
            break;
        }
        at++;
        if (letter == '\\') {
            *has_escapes = 1;
            at++;
        }
    }
    return -1;
}

#define NO_LETTER ((Py_UCS4)-1)

/* What stands for the escape whose backslash is at `*at`, which then is at its last letter. Half a pair of
   surrogates stands for nothing that is plain. */
static Py_UCS4
escaped_letter(int kind, const void *data, Py_ssize_t *at, Py_ssize_t end)
{
    Py_UCS4 letter = PyUnicode_READ(kind, data, ++*at);
    if (letter != 'u') {
        letter = unescaped(letter);
        return letter ? letter : NO_LETTER;
    }
    if (end - *at < 5) {
        return NO_LETTER;
    }
    letter = 0;
    for (int place = 0; place < 4; place++) {
        int value = hex_digit(PyUnicode_READ(kind, data, ++*at));
        if (value < 0) {
            return NO_LETTER;
        }
        letter = letter << 4 | (Py_UCS4)value;
    }
    return letter >= 0xD800 && letter <= 0xDFFF ? NO_LETTER : letter;
}

/* -------------------------------------------------------------------------------------------- plain JSON */

#define NAMES 512
#define LONGEST_NAME 48
#define LONGEST_NUMBER 40
#define MOST_DIGITS 18 /* of what surely fits into 64 bits */

typedef struct {
    PyObject *names[NAMES];
} State;

typedef struct {
    PyObject *text;
    const void *data;
    int kind, is_ascii, distinct;
    Py_ssize_t at, size, depth;
    State *state;
} Scan;

#define LETTER(scan, position) PyUnicode_READ((scan)->kind, (scan)->data, (position))

/* The readers give NULL without an exception for what is not plain. */
static PyObject *read_value(Scan *scan);

static Py_UCS4
skip_space(Scan *scan)
{
    while (scan->at < scan->size) {
        Py_UCS4 letter = LETTER(scan, scan->at);
        if (letter != ' ' && letter != '\n' && letter != '\t' && letter != '\r') {
            return letter;
        }
        scan->at++;
    }
    return 0;
}

/* A string with escapes. */
static PyObject *
unescaped_string(Scan *scan, Py_ssize_t begin, Py_ssize_t end)
{
    /* An escape gives what two octets hold, and takes more than one letter. */
    int kind = scan->kind == PyUnicode_4BYTE_KIND ? PyUnicode_4BYTE_KIND : PyUnicode_2BYTE_KIND;
    void *made = PyMem_Malloc((size_t)(end - begin) * (size_t)kind);
    if (made == NULL) {
        return PyErr_NoMemory();
    }
    Py_ssize_t count = 0;
    PyObject *text = NULL;
    for (Py_ssize_t at = begin; at < end; at++) {
        Py_UCS4 letter = LETTER(scan, at);
        if (letter == '\\'
            && (letter = escaped_letter(scan->kind, scan->data, &at, end)) == NO_LETTER) {
            goto done;
        }
        PyUnicode_WRITE(kind, made, count, letter);
        count++;
    }
    text = PyUnicode_FromKindAndData(kind, made, count);
done:
    PyMem_Free(made);
    return text;
}

/* A string, from behind its opening quote to behind the closing one. */
static PyObject *
read_string(Scan *scan)
{
    int has_escapes = 0;
    Py_ssize_t begin = scan->at, end = string_end(scan->kind, scan->data, begin, scan->size, &has_escapes);
    if (end < 0) {
        return NULL;
    }
    scan->at = end + 1;
    if (has_escapes) {
        return unescaped_string(scan, begin, end);
    }
    if (!scan->is_ascii || end - begin < 2) {
        return PyUnicode_Substring(scan->text, begin, end);
    }
    PyObject *text = PyUnicode_New(end - begin, 127);
    if (text != NULL) {
        memcpy(PyUnicode_DATA(text), (const Py_UCS1 *)scan->data + begin, (size_t)(end - begin));
    }
    return text;
}

/* The name of a member: like a string, but one that came before is the same object. */
static PyObject *
read_name(Scan *scan)
{
    if (!scan->is_ascii) {
        return read_string(scan);
    }
    const Py_UCS1 *octets = scan->data;
    Py_ssize_t begin = scan->at, end = plain_until(octets, begin, scan->size), length = end - begin;
    if (end >= scan->size || octets[end] != '"' || length > LONGEST_NAME || length < 2) {
        return read_string(scan);
    }
    const Py_UCS1 *name = octets + begin;
    size_t place = (size_t)length;
    place = place * 31 + name[0];
    place = place * 31 + name[length / 2];
    place = place * 31 + name[length - 2];
    place = place * 31 + name[length - 1];
    PyObject **known = &scan->state->names[place % NAMES];
    if (*known == NULL || PyUnicode_GET_LENGTH(*known) != length
        || memcmp(PyUnicode_DATA(*known), name, (size_t)length) != 0) {
        PyObject *text = read_string(scan);
        if (text != NULL) {
            Py_XSETREF(*known, Py_NewRef(text));
        }
        return text;
    }
    scan->at = end + 1;
    return Py_NewRef(*known);
}

static PyObject *
read_number(Scan *scan)
{
    char digits[LONGEST_NUMBER + 1];
    Py_ssize_t at = scan->at, begin = at, size = scan->size;
    if (LETTER(scan, at) == '-') {
        at++;
    }
    Py_ssize_t first = at;
    long long number = 0;
    for (; at < size && is_digit(LETTER(scan, at)); at++) {
        if (at - first >= MOST_DIGITS) {
            return NULL;
        }
        number = number * 10 + (long long)(LETTER(scan, at) - '0');
    }
    if (at == first || (LETTER(scan, first) == '0' && at - first > 1)) {
        return NULL;
    }
    Py_UCS4 letter = at < size ? LETTER(scan, at) : 0;
    if (letter != '.' && letter != 'e' && letter != 'E') {
        scan->at = at;
        return PyLong_FromLongLong(first > begin ? -number : number);
    }
    if (letter == '.') {
        Py_ssize_t start = ++at;
        while (at < size && is_digit(LETTER(scan, at))) {
            at++;
        }
        if (at == start) {
            return NULL;
        }
        letter = at < size ? LETTER(scan, at) : 0;
    }
    if (letter == 'e' || letter == 'E') {
        at++;
        if (at < size && (LETTER(scan, at) == '+' || LETTER(scan, at) == '-')) {
            at++;
        }
        Py_ssize_t start = at;
        while (at < size && is_digit(LETTER(scan, at))) {
            at++;
        }
        if (at == start) {
            return NULL;
        }
    }
    if (at - begin > LONGEST_NUMBER) {
        return NULL;
    }
    for (Py_ssize_t place = begin; place < at; place++) {
        digits[place - begin] = (char)LETTER(scan, place);
    }
    digits[at - begin] = '\0';
    double value = PyOS_string_to_double(digits, NULL, NULL);
    if (isinf(value) || (value == -1.0 && PyErr_Occurred())) {
        return NULL;
    }
    scan->at = at;
    return PyFloat_FromDouble(value);
}

static int
is_word(Scan *scan, const char *word)
{
    Py_ssize_t at = scan->at;
    for (; *word; word++, at++) {
        if (at >= scan->size || LETTER(scan, at) != (Py_UCS4)*word) {
            return 0;
        }
    }
    scan->at = at;
    return 1;
}

static PyObject *
read_members(Scan *scan)
{
    PyObject *members = PyDict_New(), *name = NULL, *value = NULL;
    if (members == NULL) {
        return NULL;
    }
    Py_ssize_t count = 0;
    Py_UCS4 letter = skip_space(scan);
    if (letter == '}') {
        scan->at++;
        return members;
    }
    while (letter == '"') {
        scan->at++;
        if ((name = read_name(scan)) == NULL || skip_space(scan) != ':') {
            break;
        }
        scan->at++;
        if ((value = read_value(scan)) == NULL || PyDict_SetItem(members, name, value) < 0) {
            break;
        }
        Py_CLEAR(name);
        Py_CLEAR(value);
        count++;
        letter = skip_space(scan);
        scan->at++;
        if (letter == '}') {
            if (scan->distinct && PyDict_GET_SIZE(members) != count) {
                break;
            }
            return members;
        }
        if (letter != ',') {
            break;
        }
        letter = skip_space(scan);
    }
    Py_XDECREF(name);
    Py_XDECREF(value);
    Py_DECREF(members);
    return NULL;
}

static PyObject *
read_entries(Scan *scan)
{
    PyObject *entries = PyList_New(0);
    if (entries == NULL) {
        return NULL;
    }
    Py_UCS4 letter = skip_space(scan);
    if (letter == ']') {
        scan->at++;
        return entries;
    }
    do {
        PyObject *value = read_value(scan);
        if (value == NULL) {
            break;
        }
        int status = PyList_Append(entries, value);
        Py_DECREF(value);
        if (status < 0) {
            break;
        }
        letter = skip_space(scan);
        scan->at++;
        if (letter == ']') {
            return entries;
        }
    } while (letter == ',');
    Py_DECREF(entries);
    return NULL;
}

static PyObject *
read_value(Scan *scan)
{
    Py_UCS4 letter = skip_space(scan);
    switch (letter) {
    case '"':
        scan->at++;
        return read_string(scan);
    case '{':
    case '[':
        if (scan->depth < 1 || Py_EnterRecursiveCall(" while JSON is read")) {
            return NULL;
        }
        scan->depth--;
        scan->at++;
        PyObject *value = letter == '{' ? read_members(scan) : read_entries(scan);
        scan->depth++;
        Py_LeaveRecursiveCall();
        return value;
    case 't':
        return is_word(scan, "true") ? Py_NewRef(Py_True) : NULL;
    case 'f':
        return is_word(scan, "false") ? Py_NewRef(Py_False) : NULL;
    case 'n':
        return is_word(scan, "null") ? Py_NewRef(Py_None) : NULL;
    default:
        return letter == '-' || is_digit(letter) ? read_number(scan) : NULL;
    }
}

static PyObject *
read_plain_object(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyUnicode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "read_plain_object() takes a text, a depth and a truth value");
        return NULL;
    }
    Scan scan = {.text = args[0], .state = PyModule_GetState(module)};
    scan.depth = PyLong_AsSsize_t(args[1]);
    if (scan.depth == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if ((scan.distinct = PyObject_IsTrue(args[2])) < 0) {
        return NULL;
    }
    if (!IS_READY(scan.text)) {
        return NULL;
    }
    scan.kind = PyUnicode_KIND(scan.text);
    scan.data = PyUnicode_DATA(scan.text);
    scan.is_ascii = PyUnicode_IS_ASCII(scan.text);
    scan.size = PyUnicode_GET_LENGTH(scan.text);
    PyObject *value = scan.size && LETTER(&scan, 0) == '{' ? read_value(&scan) : NULL;
    if (value != NULL && scan.at == scan.size) {
        return value;
    }
    Py_XDECREF(value);
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_RecursionError)) {
            return NULL;
        }
        PyErr_Clear();
    }
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------------- blocks by template */

/* What a field is: the numbers that `parsing/templates.py` gives them. */
enum { TEXT = 0, COUNT = 1, PADDING = 2, TALLY = 4 };

#define MOST_DIGITS_OF_COUNT 15

typedef struct {
    const Py_UCS1 *octets;
    Py_ssize_t size;
    const char *number;
    Py_ssize_t digits;
    /* The text that was looked at last: patterns that begin alike look at the same one. */
    Py_ssize_t text, text_end;
    int has_escapes;
} Block;

typedef struct {
    Py_ssize_t end, text, text_end, tally, tally_end;
    int has_escapes, counts;
} Found;

/* Where a text ends that starts at `at`: at its closing quote. -1 where it is none, or none that is plain. */
static Py_ssize_t
text_end(Block *block, Py_ssize_t at)
{
    if (block->text == at) {
        return block->text_end;
    }
    block->text = at;
    block->has_escapes = 0;
    block->text_end = string_end(PyUnicode_1BYTE_KIND, block->octets, at, block->size, &block->has_escapes);
    return block->text_end;
}

/* Where a field ends that starts at `at`; -1 where it does not. */
static Py_ssize_t
field_end(Block *block, long field, Py_ssize_t at, Found *found)
{
    const Py_UCS1 *octets = block->octets;
    Py_ssize_t begin = at;
    switch (field) {
    case TEXT:
        found->text = at;
        found->text_end = at = text_end(block, at);
        found->has_escapes = block->has_escapes;
        return at > begin ? at : -1;
    case COUNT:
        if (!block->digits || block->size - at < block->digits
            || memcmp(octets + at, block->number, (size_t)block->digits) != 0) {
            return -1;
        }
        return at + block->digits;
    case PADDING:
        while (at < block->size
               && (is_digit(octets[at]) || ((octets[at] | 0x20) >= 'a' && (octets[at] | 0x20) <= 'z'))) {
            at++;
        }
        return at < block->size && octets[at] == '"' ? at : -1;
    case TALLY:
        while (at < block->size && is_digit(octets[at])) {
            at++;
        }
        if (at == begin || at - begin > MOST_DIGITS_OF_COUNT || (octets[begin] == '0' && at - begin > 1)) {
            return -1;
        }
        if (found->tally < 0) {
            found->tally = begin;
        }
        found->tally_end = at;
        found->counts |= octets[begin] != '0';
        return at;
    default:
        return -1;
    }
}

/* Where a literal ends that starts at `at`; -1 where another text stands there. */
static Py_ssize_t
literal_end(const Block *block, PyObject *literal, Py_ssize_t at)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(literal);
    if (PyUnicode_KIND(literal) != PyUnicode_1BYTE_KIND || block->size - at < length
        || memcmp(block->octets + at, PyUnicode_DATA(literal), (size_t)length) != 0) {
        return -1;
    }
    return at + length;
}

/* Whether the block at a position is one of a pattern: a literal, and fields with literals behind them.
   -1 for an error. */
static int
matches(Block *block, PyObject *pattern, Py_ssize_t at, Found *found)
{
    PyObject *start, *fields;
    if (!PyTuple_Check(pattern) || PyTuple_GET_SIZE(pattern) != 2
        || !PyUnicode_Check(start = PyTuple_GET_ITEM(pattern, 0))
        || !PyTuple_Check(fields = PyTuple_GET_ITEM(pattern, 1))) {
        PyErr_SetString(PyExc_TypeError, "a pattern is a text and a tuple of fields");
        return -1;
    }
    *found = (Found){.text = -1, .tally = -1};
    if ((at = literal_end(block, start, at)) < 0) {
        return 0;
    }
    for (Py_ssize_t place = 0; place < PyTuple_GET_SIZE(fields); place++) {
        PyObject *pair = PyTuple_GET_ITEM(fields, place);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2
            || !PyUnicode_Check(PyTuple_GET_ITEM(pair, 1))) {
            PyErr_SetString(PyExc_TypeError, "a field is a number and a text");
            return -1;
        }
        long field = PyLong_AsLong(PyTuple_GET_ITEM(pair, 0));
        if (field == -1 && PyErr_Occurred()) {
            return -1;
        }
        if ((at = field_end(block, field, at, found)) < 0
            || (at = literal_end(block, PyTuple_GET_ITEM(pair, 1), at)) < 0) {
            return 0;
        }
    }
    found->end = at;
    return found->tally < 0 || found->counts;
}

/* The characters of a text in UTF-8, escapes and all. NULL without an exception where they are not plain. */
static PyObject *
characters(const Py_UCS1 *octets, Py_ssize_t begin, Py_ssize_t end, int has_escapes)
{
    const char *source = (const char *)octets + begin;
    Py_ssize_t count = end - begin;
    char *made = NULL;
    if (has_escapes) {
        /* An escape takes no less room than the character. */
        if ((made = PyMem_Malloc((size_t)count)) == NULL) {
            return PyErr_NoMemory();
        }
        count = 0;
        for (Py_ssize_t at = begin; at < end; at++) {
            Py_UCS4 letter = octets[at];
            if (letter != '\\') {
                made[count++] = (char)letter;
                continue;
            }
            if ((letter = escaped_letter(PyUnicode_1BYTE_KIND, octets, &at, end)) == NO_LETTER) {
                PyMem_Free(made);
                return NULL;
            }
            if (letter < 0x80) {
                made[count++] = (char)letter;
            }
            else if (letter < 0x800) {
                made[count++] = (char)(0xC0 | letter >> 6);
                made[count++] = (char)(0x80 | (letter & 0x3F));
            }
            else {
                made[count++] = (char)(0xE0 | letter >> 12);
                made[count++] = (char)(0x80 | (letter >> 6 & 0x3F));
                made[count++] = (char)(0x80 | (letter & 0x3F));
            }
        }
        source = made;
    }
    PyObject *text = PyUnicode_DecodeUTF8(source, count, NULL);
    PyMem_Free(made);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
    }
    return text;
}

/* What is found in a block. NULL without an exception where its text is not plain. */
static PyObject *
result_of(PyObject *latin1, Py_ssize_t place, const Found *found)
{
    PyObject *values[4] = {NULL, NULL, NULL, NULL}, *result = NULL;
    if ((values[2] = found->text < 0 ? PyUnicode_New(0, 0)
         : characters(PyUnicode_1BYTE_DATA(latin1), found->text, found->text_end, found->has_escapes)) != NULL
        && (values[3] = found->tally < 0 ? PyUnicode_New(0, 0)
            : PyUnicode_Substring(latin1, found->tally, found->tally_end)) != NULL
        && (values[0] = PyLong_FromSsize_t(place)) != NULL
        && (values[1] = PyLong_FromSsize_t(found->end)) != NULL) {
        result = PyTuple_New(4);
    }
    for (int field = 0; field < 4; field++) {
        if (result != NULL) {
            PyTuple_SET_ITEM(result, field, values[field]);
        }
        else {
            Py_XDECREF(values[field]);
        }
    }
    return result;
}

static PyObject *
match_block(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyUnicode_Check(args[0]) || !PyTuple_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "match_block() takes octets, a position, patterns and a number");
        return NULL;
    }
    PyObject *latin1 = args[0], *patterns = args[2];
    Py_ssize_t at = PyLong_AsSsize_t(args[1]);
    if (at == -1 && PyErr_Occurred()) {
        return NULL;
    }
    long long number = PyLong_AsLongLong(args[3]);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (!IS_READY(latin1)) {
        return NULL;
    }
    if (PyUnicode_KIND(latin1) != PyUnicode_1BYTE_KIND || at < 0 || at > PyUnicode_GET_LENGTH(latin1)) {
        Py_RETURN_NONE;
    }
    char digits[24];
    Block block = {.octets = PyUnicode_1BYTE_DATA(latin1), .size = PyUnicode_GET_LENGTH(latin1), .text = -1};
    if (number >= 0) {
        char *first = digits + sizeof(digits);
        do {
            *--first = (char)('0' + number % 10);
            number /= 10;
        } while (number);
        block.number = first;
        block.digits = digits + sizeof(digits) - first;
    }
    Py_ssize_t place = 0;
    for (Py_ssize_t group = 0; group < PyTuple_GET_SIZE(patterns); group++) {
        PyObject *before, *alike, *pair = PyTuple_GET_ITEM(patterns, group);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2
            || !PyUnicode_Check(before = PyTuple_GET_ITEM(pair, 0))
            || !PyTuple_Check(alike = PyTuple_GET_ITEM(pair, 1))) {
            PyErr_SetString(PyExc_TypeError, "patterns come in pairs of a text and a tuple");
            return NULL;
        }
        Py_ssize_t begin = at;
        if (PyUnicode_GET_LENGTH(before)) {
            begin = literal_end(&block, before, begin);
            begin = begin < 0 ? begin : field_end(&block, COUNT, begin, NULL);
        }
        for (Py_ssize_t one = 0; one < PyTuple_GET_SIZE(alike); one++, place++) {
            Found found;
            int status = begin < 0 ? 0 : matches(&block, PyTuple_GET_ITEM(alike, one), begin, &found);
            PyObject *result = status > 0 ? result_of(latin1, place, &found) : NULL;
            if (result != NULL || PyErr_Occurred()) {
                return result;
            }
        }
    }
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------------------- objects made */

#define MOST_FIELDS 32

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyTypeObject *kind;
    PyObject *names;     /* of the fields */
    PyObject *defaults;  /* of each field a tuple: empty, its default, or None and its factory */
    PyObject *check;     /* is called with what was made, unless it is None */
    Py_ssize_t by_position;
    Py_ssize_t offsets[MOST_FIELDS];
} Maker;

static PyObject *
value_of_none(Maker *self, Py_ssize_t place)
{
    PyObject *told = PyTuple_GET_ITEM(self->defaults, place);
    switch (PyTuple_GET_SIZE(told)) {
    case 0:
        return PyErr_Format(PyExc_TypeError, "%s() needs %R", self->kind->tp_name,
                            PyTuple_GET_ITEM(self->names, place));
    case 1:
        return Py_NewRef(PyTuple_GET_ITEM(told, 0));
    default:
        return PyObject_CallNoArgs(PyTuple_GET_ITEM(told, 1));
    }
}

static Py_ssize_t
place_of(Maker *self, PyObject *name)
{
    Py_ssize_t count = PyTuple_GET_SIZE(self->names);
    for (Py_ssize_t place = 0; place < count; place++) {
        if (PyTuple_GET_ITEM(self->names, place) == name) {
            return place;
        }
    }
    for (Py_ssize_t place = 0; place < count; place++) {
        if (PyUnicode_Compare(PyTuple_GET_ITEM(self->names, place), name) == 0) {
            return place;
        }
    }
    PyErr_Format(PyExc_TypeError, "%s() has no %R", self->kind->tp_name, name);
    return -1;
}

static PyObject *
Maker_call(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    Maker *self = (Maker *)callable;
    Py_ssize_t given = PyVectorcall_NARGS(flags), count = PyTuple_GET_SIZE(self->names);
    if (given > self->by_position) {
        return PyErr_Format(PyExc_TypeError, "%s() takes %zd values by position", self->kind->tp_name,
                            self->by_position);
    }
    PyObject *made = self->kind->tp_alloc(self->kind, 0);
    if (made == NULL) {
        return NULL;
    }
#define SLOT(place) (*(PyObject **)((char *)made + self->offsets[place]))
    for (Py_ssize_t place = 0; place < given; place++) {
        SLOT(place) = Py_NewRef(args[place]);
    }
    Py_ssize_t named = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
    for (Py_ssize_t number = 0; number < named; number++) {
        Py_ssize_t place = place_of(self, PyTuple_GET_ITEM(keywords, number));
        if (place < 0) {
            goto failed;
        }
        if (SLOT(place) != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() was given %R twice", self->kind->tp_name,
                         PyTuple_GET_ITEM(self->names, place));
            goto failed;
        }
        SLOT(place) = Py_NewRef(args[given + number]);
    }
    if (given + named < count) {
        for (Py_ssize_t place = given; place < count; place++) {
            if (SLOT(place) == NULL) {
                PyObject *value = value_of_none(self, place);
                if (value == NULL) {
                    goto failed;
                }
                Py_XSETREF(SLOT(place), value); /* what a factory runs may have found the object, too */
            }
        }
    }
#undef SLOT
    if (self->check != Py_None) {
        PyObject *done = PyObject_CallOneArg(self->check, made);
        if (done == NULL) {
            goto failed;
        }
        Py_DECREF(done);
    }
    return made;
failed:
    Py_DECREF(made);
    return NULL;
}

/* Whether an object of a class is what was allocated for it, and nothing but slots. */
static int
is_plain(PyTypeObject *kind)
{
    return (kind->tp_flags & Py_TPFLAGS_HEAPTYPE) && !(kind->tp_flags & Py_TPFLAGS_IS_ABSTRACT)
        && kind->tp_new == PyBaseObject_Type.tp_new && kind->tp_dictoffset == 0 && kind->tp_itemsize == 0;
}

/* Where the slot of a field is in the objects of a class; -1 with an exception where there is none. */
static Py_ssize_t
offset_of(PyTypeObject *kind, PyObject *name)
{
    PyObject *slot = PyObject_GetAttr((PyObject *)kind, name);
    if (slot == NULL) {
        return -1;
    }
    Py_ssize_t offset = -1;
    if (Py_IS_TYPE(slot, &PyMemberDescr_Type) && PyType_IsSubtype(kind, PyDescr_TYPE(slot))) {
        const PyMemberDef *member = ((PyMemberDescrObject *)slot)->d_member;
        offset = member->type == T_OBJECT_EX && !(member->flags & READONLY) ? member->offset : -1;
    }
    if (offset < 0) {
        PyErr_Format(PyExc_TypeError, "%R is no slot", name);
    }
    Py_DECREF(slot);
    return offset;
}

static PyObject *
Maker_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *kind, *names, *defaults, *check;
    Py_ssize_t by_position;
    if (keywords != NULL && PyDict_GET_SIZE(keywords)) {
        PyErr_SetString(PyExc_TypeError, "Maker() takes no keywords");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!O!O!nO", &PyType_Type, &kind, &PyTuple_Type, &names, &PyTuple_Type,
                          &defaults, &by_position, &check)) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(names);
    if (count > MOST_FIELDS || PyTuple_GET_SIZE(defaults) != count || by_position < 0
        || by_position > count) {
        PyErr_SetString(PyExc_TypeError, "too many fields, or not as many defaults");
        return NULL;
    }
    Maker *self = (Maker *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->kind = (PyTypeObject *)Py_NewRef(kind);
    self->names = Py_NewRef(names);
    self->defaults = Py_NewRef(defaults);
    self->check = Py_NewRef(check);
    self->by_position = by_position;
    if (!is_plain(self->kind)) {
        PyErr_Format(PyExc_TypeError, "%R is no class that has only slots", kind);
        goto failed;
    }
    for (Py_ssize_t place = 0; place < count; place++) {
        self->offsets[place] = offset_of(self->kind, PyTuple_GET_ITEM(names, place));
        if (self->offsets[place] < 0) {
            goto failed;
        }
        for (Py_ssize_t other = 0; other < place; other++) {
            if (self->offsets[other] == self->offsets[place]) {
                PyErr_Format(PyExc_TypeError, "%R is there twice", PyTuple_GET_ITEM(names, place));
                goto failed;
            }
        }
        if (!PyTuple_Check(PyTuple_GET_ITEM(defaults, place))) {
            PyErr_SetString(PyExc_TypeError, "a default is a tuple");
            goto failed;
        }
    }
    self->call = Maker_call; /* From here on it can be called. */
    return (PyObject *)self;
failed:
    Py_DECREF(self);
    return NULL;
}

/* There is no tp_clear, as tuples have none: a Maker does not change, and is younger than what it holds. */
static int
Maker_traverse(PyObject *object, visitproc visit, void *arg)
{
    Maker *self = (Maker *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->kind);
    Py_VISIT(self->names);
    Py_VISIT(self->defaults);
    Py_VISIT(self->check);
    return 0;
}

static void
Maker_dealloc(PyObject *object)
{
    Maker *self = (Maker *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_XDECREF(self->kind);
    Py_XDECREF(self->names);
    Py_XDECREF(self->defaults);
    Py_XDECREF(self->check);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef Maker_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Maker, call), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot Maker_slots[] = {
    {Py_tp_doc, "Makes objects of a class with slots, as its constructor does, without a frame of its own."},
    {Py_tp_new, Maker_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, Maker_members},
    {Py_tp_traverse, Maker_traverse},
    {Py_tp_dealloc, Maker_dealloc},
    {0, NULL},
};

static PyType_Spec Maker_spec = {
    .name = "deltafold._speedups.Maker",
    .basicsize = sizeof(Maker),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Maker_slots,
};

/* ------------------------------------------------------------------------------------------- the module */

static int
begin(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &Maker_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int status = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return status;
}

static int
visit_names(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    for (size_t place = 0; state != NULL && place < NAMES; place++) {
        Py_VISIT(state->names[place]);
    }
    return 0;
}

static int
clear_names(PyObject *module)
{
    State *state = PyModule_GetState(module);
    for (size_t place = 0; state != NULL && place < NAMES; place++) {
        Py_CLEAR(state->names[place]);
    }
    return 0;
}

static void
end(void *module)
{
    clear_names(module);
}

static PyMethodDef methods[] = {
    {"read_plain_object", (PyCFunction)(void (*)(void))read_plain_object, METH_FASTCALL,
     "The object that a JSON text is, if it is plain; None where the text is anything else."},
    {"match_block", (PyCFunction)(void (*)(void))match_block, METH_FASTCALL,
     "Which pattern the block at a position matches, its end, its text, and its numbers; None for none."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, begin},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "deltafold._speedups",
    .m_doc = "What every event goes through, in C.",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = module_slots,
    .m_traverse = visit_names,
    .m_clear = clear_names,
    .m_free = end,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModuleDef_Init(&definition);
}
