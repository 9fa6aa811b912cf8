package io.sparkweld
package contract

import java.io.ByteArrayOutputStream

import com.fasterxml.jackson.core.{JsonFactory, JsonGenerator, StreamReadConstraints}
import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}

/** Represents a value that JSON states as null when there is none; a field of type Option is left out instead. */
final case class OrNull[+T](value: Option[T])

/** A case of a sealed trait; JSON states `tag` before the fields of the case. */
private[contract] trait Tagged {
  def tag: (String, String)
}

/**
 * Writes the case classes of the contract as JSON objects.
 *
 * Each field has its own name as the key, in the order of the class. So equal requests have equal bytes, and a request is
 * identified by them.
 */
object Encoder {
  /** A string may be the bytes of a function with its model, for which Jackson's default limit is too low. */
  private val mapper = new ObjectMapper(
    new JsonFactory().setStreamReadConstraints(StreamReadConstraints.builder().maxStringLength(Int.MaxValue).build()))

  private val fields = new ClassValue[Array[String]] {
    override def computeValue(of: Class[_]): Array[String] =
      of.getDeclaredFields.filterNot(field => field.isSynthetic || java.lang.reflect.Modifier.isStatic(field.getModifiers)).map(_.getName)
  }

  /** Returns the keys of a case class. */
  def keys(of: Class[_]): Seq[String] = fields.get(of).toSeq

  /** Returns one JSON object with the fields of all `parts`. */
  def bytes(parts: Product*): Array[Byte] = {
    val made = new ByteArrayOutputStream
    val out = mapper.getFactory.createGenerator(made)
    out.writeStartObject()
    parts.foreach(writeFields(out, _))
    out.writeEndObject()
    out.close()
    made.toByteArray
  }

  def text(value: Product): String = new String(bytes(value), java.nio.charset.StandardCharsets.UTF_8)

  def read(json: Array[Byte]): JsonNode = mapper.readTree(json)

  def read(json: String): JsonNode = mapper.readTree(json)

  private def writeFields(out: JsonGenerator, of: Product): Unit = {
    of match {
      case tagged: Tagged => out.writeStringField(tagged.tag._1, tagged.tag._2)
      case _ => ()
    }
    fields.get(of.getClass).iterator.zip(of.productIterator).foreach {
      case (_, None) => ()
      case (name, value) =>
        out.writeFieldName(name)
        write(out, value)
    }
  }

  private def write(out: JsonGenerator, value: Any): Unit = value match {
    case Some(of) => write(out, of)
    case OrNull(of) => of.fold(out.writeNull())(write(out, _))
    case text: String => out.writeString(text)
    case flag: Boolean => out.writeBoolean(flag)
    case number: Int => out.writeNumber(number)
    case number: Long => out.writeNumber(number)
    case number: Double => out.writeNumber(number)
    case json: JsonNode => mapper.writeTree(out, json)
    case Left(of) => write(out, of)
    case Right(of) => write(out, of)
    case map: scala.collection.Map[_, _] =>
      out.writeStartObject()
      map.foreach { case (key, of) =>
        out.writeFieldName(key.toString)
        write(out, of)
      }
      out.writeEndObject()
    case elements: Iterable[_] =>
      out.writeStartArray()
      elements.foreach(write(out, _))
      out.writeEndArray()
    case part: Product =>
      out.writeStartObject()
      writeFields(out, part)
      out.writeEndObject()
    case other => throw new IllegalArgumentException(s"no JSON for ${other.getClass.getName}")
  }
}
