package io.sparkweld
package support

/** Names the modes of an optional optimization that pays for some rows and not for others. */
object Mode extends Enumeration {
  val Auto, Always, Never = Value

  def parse(text: String): Value =
    values.find(_.toString.equalsIgnoreCase(text)).getOrElse(throw new IllegalArgumentException(s"no mode '$text'"))
}
