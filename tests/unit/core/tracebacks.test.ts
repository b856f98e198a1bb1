import { describe, expect, test } from 'vitest'
import {
  compilerError,
  javaError,
  lastLine,
  nodeError,
  oldNodeError,
  pythonError,
  rubyError,
  shellError,
} from '../../../src/core/languages/tracebacks.ts'

const text = (...lines: string[]) => `${lines.join('\n')}\n`

describe('python', () => {
  test('name, value and frames are those of the last traceback, also when it was caused by another', () => {
    const stderr = text(
      'a line of its own',
      'Traceback (most recent call last):',
      '  File "/tmp/main.py", line 4, in <module>',
      '    f(0)',
      '    ~^^^',
      'ZeroDivisionError: division by zero',
      '',
      'The above exception was the direct cause of the following exception:',
      '',
      'Traceback (most recent call last):',
      '  File "/tmp/main.py", line 6, in <module>',
      '    raise ValueError("two") from e',
      'ValueError: two',
    )
    expect(pythonError(stderr)).toEqual({
      name: 'ValueError',
      value: 'two',
      traceback: stderr.trimEnd().split('\n').slice(9),
    })
  })

  test('a message of several lines and notes stay whole', () => {
    const stderr = text(
      'Traceback (most recent call last):',
      '  File "m.py", line 1, in <module>',
      'ValueError: one',
      '',
      'three',
      'a note',
    )
    expect(pythonError(stderr)?.value).toBe('one\n\nthree\na note')
  })

  test('an error without a message has an empty value', () => {
    const stderr = text('Traceback (most recent call last):', '  File "m.py", line 1, in <module>', 'KeyboardInterrupt')
    expect(pythonError(stderr)).toMatchObject({ name: 'KeyboardInterrupt', value: '' })
  })

  test('an error of a module keeps its module', () => {
    const stderr = text(
      'Traceback (most recent call last):',
      '  File "m.py", line 2, in <module>',
      'json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)',
    )
    expect(pythonError(stderr)).toMatchObject({
      name: 'json.decoder.JSONDecodeError',
      value: 'Expecting value: line 1 column 1 (char 0)',
    })
  })

  test('a syntax error has no traceback line of its own and is found by its place', () => {
    const stderr = text('  File "main.py", line 1', '    print(1', '         ^', "SyntaxError: '(' was never closed")
    expect(pythonError(stderr)).toEqual({
      name: 'SyntaxError',
      value: "'(' was never closed",
      traceback: stderr.trimEnd().split('\n'),
    })
  })

  test('a group of exceptions is named by the group', () => {
    const stderr = text(
      '  + Exception Group Traceback (most recent call last):',
      '  |   File "m.py", line 1, in <module>',
      '  |     raise ExceptionGroup("g",[ValueError(1),TypeError(2)])',
      '  | ExceptionGroup: g (2 sub-exceptions)',
      '  +-+---------------- 1 ----------------',
      '    | ValueError: 1',
      '    +---------------- 2 ----------------',
      '    | TypeError: 2',
      '    +------------------------------------',
    )
    expect(pythonError(stderr)).toEqual({
      name: 'ExceptionGroup',
      value: 'g (2 sub-exceptions)',
      traceback: stderr.trimEnd().split('\n'),
    })
  })

  test.each([
    ['bye\n'],
    [''],
    ['Traceback (most recent call last):\n'],
    ['Traceback (most recent call last):\n  File "m.py", line 1\n'],
  ])('there is nothing to read in %j', (stderr) => {
    expect(pythonError(stderr)).toBeNull()
  })
})

describe('node', () => {
  const uncaught = (...lines: string[]) => text('[stdin]:1', 'the line', '    ^', '', ...lines, '', 'Node.js v20.19.2')

  test('name, value and frames of an error that nobody caught', () => {
    expect(nodeError(uncaught('TypeError: bad', 'thing', '    at f ([stdin]:1:21)', '    at [stdin]:2:1'))).toEqual({
      name: 'TypeError',
      value: 'bad\nthing',
      traceback: ['TypeError: bad', 'thing', '    at f ([stdin]:1:21)', '    at [stdin]:2:1'],
    })
  })

  test('the code in brackets is not part of the name, and members of the error not of the value', () => {
    const stderr = uncaught(
      "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'nope'",
      '    at resolve (node:internal:1:1) {',
      "  code: 'ERR_MODULE_NOT_FOUND'",
      '}',
    )
    expect(nodeError(stderr)).toMatchObject({ name: 'Error', value: "Cannot find package 'nope'" })
  })

  test('the outer error is the error, its cause is in the traceback', () => {
    const found = nodeError(
      uncaught('Error: outer', '    at [stdin]:1:7 {', '  [cause]: TypeError: inner', '      at [stdin]:1:32', '}'),
    )
    expect(found).toMatchObject({ name: 'Error', value: 'outer' })
    expect(found?.traceback).toContain('  [cause]: TypeError: inner')
  })

  test('a class of the program keeps its name', () => {
    expect(nodeError(uncaught('MyErr: own', '    at [stdin]:2:7 {', '  extra: 5', '}'))).toMatchObject({
      name: 'MyErr',
      value: 'own',
    })
  })

  test('a thrown text is the value', () => {
    const stderr = text(
      '',
      '[stdin]:1',
      'throw "text"',
      '^',
      'text',
      '(Use `node --trace-uncaught ...` to show where the exception was thrown)',
      '',
      'Node.js v20.19.2',
    )
    expect(nodeError(stderr)).toMatchObject({ name: 'Error', value: 'text' })
  })

  test('a thrown object is the value', () => {
    const stderr = text('[stdin]:1', 'throw {a:1}', '^', '', '{ a: 1 }', '', 'Node.js v20.19.2')
    expect(nodeError(stderr)).toMatchObject({ name: 'Error', value: '{ a: 1 }' })
  })

  test.each([['Warning: disk is low\n'], ['Done\n'], ['']])(
    '%j of a program that ended by itself is no error of the language',
    (stderr) => {
      expect(nodeError(stderr)).toBeNull()
    },
  )
})

test('ruby: name, value and frames', () => {
  const stderr = text("main.rb:1:in 'Integer#/': divided by 0 (ZeroDivisionError)", "\tfrom main.rb:1:in '<main>'")
  expect(rubyError(stderr)).toMatchObject({ name: 'ZeroDivisionError', value: 'divided by 0' })
  expect(rubyError('oops\n')).toBeNull()
})

test('java: name, value and frames', () => {
  const stderr = text(
    'Exception in thread "main" java.lang.ArithmeticException: / by zero',
    '\tat Main.main(Main.java:3)',
  )
  expect(javaError(stderr)).toEqual({
    name: 'java.lang.ArithmeticException',
    value: '/ by zero',
    traceback: stderr.trimEnd().split('\n'),
  })
  expect(javaError('error: compilation failed\n')).toBeNull()
})

test('every other language gives its last line, or its exit code when it said nothing', () => {
  expect(lastLine('main.sh: line 1: nope: command not found\n', 127)).toEqual({
    name: 'ExitError',
    value: 'main.sh: line 1: nope: command not found',
    traceback: null,
  })
  expect(lastLine('\n\n', 3).value).toBe('the program ended with exit code 3')
})

describe('compilers', () => {
  test.each([
    [
      text(
        'main.c: In function ‘main’:',
        'main.c:1:20: error: ‘x’ undeclared',
        '    1 | int main(){return x;}',
        'main.c:1:20: note: each undeclared identifier is reported only once',
      ),
      'main.c:1:20: error: ‘x’ undeclared',
    ],
    [
      text('main.c:1:10: fatal error: none.h: No such file', 'compilation terminated.'),
      'main.c:1:10: fatal error: none.h: No such file',
    ],
    [
      text('error[E0425]: cannot find value `x`', ' --> main.rs:1:13', 'error: aborting due to 1 previous error'),
      'error[E0425]: cannot find value `x`',
    ],
    [
      text('✘ [ERROR] Expected ";" but found "x"', '', '    main.ts:1:6:', '1 error'),
      '✘ [ERROR] Expected ";" but found "x"',
    ],
  ])('the first error is the one, not what follows it', (stderr, value) => {
    expect(compilerError(stderr)).toEqual({ name: 'CompileError', value, traceback: null })
  })

  test("a program's own words are not a compiler's", () => {
    expect(compilerError(text('no errors', 'terror: none'))).toBeNull()
  })
})

test('shells: the line that names the error, not the one that has it', () => {
  const stderr = text("main.sh: line 2: syntax error near unexpected token `fi'", "main.sh: line 2: `fi'")
  expect(shellError(stderr)).toEqual({
    name: 'SyntaxError',
    value: "main.sh: line 2: syntax error near unexpected token `fi'",
    traceback: null,
  })
  expect(shellError(text('main.sh: line 1: nope: command not found'))).toBeNull()
})

test('TypeScript on a Node that can not strip types says what is missing', () => {
  expect(oldNodeError(text('node: bad option: --experimental-strip-types'))?.value).toContain('esbuild')
  expect(oldNodeError(text('Error: x'))).toBeNull()
})
