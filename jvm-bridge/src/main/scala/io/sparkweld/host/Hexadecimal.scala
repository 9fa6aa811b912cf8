package io.sparkweld
package host

/** Converts bytes to lower-case hexadecimal digits and back. Java has this from version 17 on. */
object Hexadecimal {
  private val Digits = "0123456789abcdef"

  def of(bytes: Array[Byte]): String = {
    val text = new StringBuilder(2 * bytes.length)
    bytes.foreach(byte => text.append(Digits.charAt(byte >> 4 & 15)).append(Digits.charAt(byte & 15)))
    text.toString
  }

  /** Throws IllegalArgumentException unless the text has an even number of hexadecimal digits. */
  def parse(text: String): Array[Byte] = {
    val digits = text.map { char =>
      val digit = if (char < 128) Character.digit(char, 16) else -1
      if (digit < 0) throw new IllegalArgumentException(s"no hexadecimal digit: $char")
      digit
    }
    if (digits.length % 2 != 0) throw new IllegalArgumentException("an odd number of hexadecimal digits")
    digits.grouped(2).map(pair => (pair.head << 4 | pair.last).toByte).toArray
  }
}
