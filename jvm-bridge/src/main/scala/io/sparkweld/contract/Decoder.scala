package io.sparkweld
package contract

import scala.jdk.CollectionConverters._
import scala.reflect.ClassTag
import scala.util.control.NoStackTrace

import io.sparkweld.host.Hexadecimal

import com.fasterxml.jackson.databind.JsonNode

/** Reports JSON that does not fit the contract; `path` names the key. */
final class Mismatch(val path: String, val what: String) extends RuntimeException(s"'$path' $what") with NoStackTrace

/** Reads a value of the contract. Throws Mismatch. A missing key is a MissingNode. */
trait Decoder[T] {
  def read(json: JsonNode): T
}

/** Bytes that JSON states in hexadecimal. */
final class Hex(val bytes: Array[Byte])

/** Bytes that JSON states in base64. */
final class Base64(val bytes: Array[Byte])

object Decoder {
  /**
   * Returns a decoder of a case class from its constructor, in curried form if it has several parameters. The keys are the names
   * of the fields; others are ignored.
   */
  def of[F, R](build: F)(implicit fields: Fields[F, R], tag: ClassTag[R]): Decoder[R] = {
    val keys = Encoder.keys(tag.runtimeClass).toList
    json => if (json.isObject) fields.read(json, keys, build) else fail(json, "an object")
  }

  /** Returns a decoder of a class that contains itself. */
  def defer[T](decoder: => Decoder[T]): Decoder[T] = {
    lazy val made = decoder
    json => made.read(json)
  }

  /** Returns the value, or which key does not fit. */
  def result[T](json: JsonNode)(implicit decoder: Decoder[T]): Either[String, T] =
    try Right(decoder.read(json))
    catch { case mismatch: Mismatch => Left(mismatch.getMessage) }

  implicit val string: Decoder[String] = json => if (json.isTextual) json.textValue else fail(json, "a string")
  implicit val boolean: Decoder[Boolean] = json => if (json.isBoolean) json.booleanValue else fail(json, "true or false")
  implicit val int: Decoder[Int] =
    json => if (json.isIntegralNumber && json.canConvertToInt) json.intValue else fail(json, "an integer of 32 bits")
  implicit val long: Decoder[Long] =
    json => if (json.isIntegralNumber && json.canConvertToLong) json.longValue else fail(json, "an integer of 64 bits")
  implicit val double: Decoder[Double] = json => if (json.isNumber) json.doubleValue else fail(json, "a number")
  implicit val node: Decoder[JsonNode] = json => if (json.isMissingNode) fail(json, "present") else json
  implicit val hex: Decoder[Hex] = bytes("hexadecimal", text => new Hex(Hexadecimal.parse(text)))
  implicit val base64: Decoder[Base64] = bytes("base64", text => new Base64(java.util.Base64.getDecoder.decode(text)))

  implicit def option[T](implicit decoder: Decoder[T]): Decoder[Option[T]] =
    json => if (json.isMissingNode || json.isNull) None else Some(decoder.read(json))

  implicit def orNull[T](implicit decoder: Decoder[T]): Decoder[OrNull[T]] =
    json => OrNull(if (json.isNull) None else Some(decoder.read(json)))

  implicit def seq[T](implicit decoder: Decoder[T]): Decoder[Seq[T]] = json =>
    if (!json.isArray) fail(json, "an array")
    else json.elements().asScala.zipWithIndex.map { case (element, at) => within(s"[$at]")(decoder.read(element)) }.toVector

  implicit def map[T](implicit decoder: Decoder[T]): Decoder[Map[String, T]] = json =>
    if (!json.isObject) fail(json, "an object")
    else json.properties().asScala.iterator.map(entry => entry.getKey -> within(entry.getKey)(decoder.read(entry.getValue))).toMap

  private def bytes[T](code: String, decode: String => T): Decoder[T] = json => {
    val text = string.read(json)
    try decode(text)
    catch { case _: IllegalArgumentException => fail(json, s"bytes in $code") }
  }

  private[contract] def within[T](name: String)(read: => T): T =
    try read
    catch {
      case inner: Mismatch =>
        val path = if (inner.path.isEmpty || inner.path.startsWith("[")) name + inner.path else s"$name.${inner.path}"
        throw new Mismatch(path, inner.what)
    }

  private def fail(json: JsonNode, what: String): Nothing =
    throw new Mismatch("", if (json.isMissingNode) "is missing" else s"is not $what")
}

/** Applies the curried constructor `F` of a class `R` to the values of keys; one decoder for each parameter is found by its type. */
trait Fields[F, R] {
  def read(json: JsonNode, keys: List[String], build: F): R
}

trait NoFields {
  implicit def none[R]: Fields[R, R] = (_, _, build) => build
}

object Fields extends NoFields {
  implicit def field[A, F, R](implicit decoder: Decoder[A], others: Fields[F, R]): Fields[A => F, R] =
    (json, keys, build) => others.read(json, keys.tail, build(Decoder.within(keys.head)(decoder.read(json.path(keys.head)))))
}
