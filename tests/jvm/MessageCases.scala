package io.sparkweld
package contract

import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path}
import java.util.HexFormat

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

/** Decodes recorded messages, and compares the objects with the JSON: requests by encoding them again, replies key by key. */
object MessageCases {
  private val Envelope = Seq("id", "digests", "sent")

  private implicit def either[A, B](implicit left: Decoder[A], right: Decoder[B]): Decoder[Either[A, B]] =
    json => if (json.isBoolean) Left(left.read(json)) else Right(right.read(json))
  private implicit val input: Decoder[Input] = Decoder.of((Input.apply _).curried)
  private implicit val broadcast: Decoder[BroadcastFile] = Decoder.of((BroadcastFile.apply _).curried)
  private implicit val argument: Decoder[Argument] = Decoder.defer(Decoder.of((Argument.apply _).curried))
  private implicit val udf: Decoder[Udf] = Decoder.defer(Decoder.of((Udf.apply _).curried))
  private implicit val entry: Decoder[UdfEntry] = Decoder.of((UdfEntry.apply _).curried)
  private implicit val column: Decoder[ProjectedColumn] = Decoder.of((ProjectedColumn.apply _).curried)
  private implicit val key: Decoder[GroupKey] = Decoder.of((GroupKey.apply _).curried)
  private implicit val merged: Decoder[MergedColumn] = Decoder.of((MergedColumn.apply _).curried)
  private val steps: Map[String, Decoder[_ <: Step]] = Map(
    "filter" -> Decoder.of(FilterStep.apply _),
    "project" -> Decoder.of(ProjectStep.apply _),
    "python" -> Decoder.of(PythonStep.apply _),
    "map" -> Decoder.of((MapStep.apply _).curried),
    "aggregate" -> Decoder.of((AggregateStep.apply _).curried))
  private implicit val step: Decoder[Step] = json => steps(json.path("kind").asText).read(json)
  private implicit val array: Decoder[StageArray] = Decoder.of((StageArray.apply _).curried)
  private implicit val stage: Decoder[StageDescription] = Decoder.of((StageDescription.apply _).curried)
  private implicit val settings: Decoder[Settings] = Decoder.of((Settings.apply _).curried)
  private implicit val files: Decoder[FileAccess] = Decoder.of((FileAccess.apply _).curried)
  private implicit val worker: Decoder[WorkerDescription] = Decoder.of((WorkerDescription.apply _).curried)

  private val requests: Map[String, Decoder[_ <: Product]] = Map(
    "hello" -> Decoder.of(PlainRequest.apply _),
    "shutdown" -> Decoder.of(PlainRequest.apply _),
    "object" -> Decoder.of((ObjectRequest.apply _).curried)).withDefaultValue(Decoder.of((CompileRequest.apply _).curried))

  private val answers: Map[String, Decoder[_]] = Operation.getClass.getDeclaredMethods.filter(_.getReturnType == classOf[Operation[_]])
    .map(_.invoke(Operation).asInstanceOf[Operation[_]]).map(operation => operation.name -> operation.decoder).toMap[String, Decoder[_]] ++
    Map("hello" -> HelloReply.decoder, "object" -> ObjectReply.decoder, "shutdown" -> IndependentReply.decoder)

  /** Returns what differs in pairs of requests and replies, one on each line; or the number of pairs. */
  def differences(recorded: Path): String = {
    val pairs = Files.readAllLines(recorded, UTF_8).asScala.toSeq.map(Encoder.read(_: String))
    val found = pairs.flatMap { pair =>
      val (request, reply) = (pair.get("request").deepCopy[ObjectNode](), pair.get("reply"))
      val op = request.get("op").asText
      request.remove(Envelope.asJava)
      (ofRequest(op, request) ++ ofReply(op, reply)).map(what => s"$op: $what")
    }
    if (found.isEmpty) s"${pairs.size} pairs" else found.mkString("\n")
  }

  private def ofRequest(op: String, json: JsonNode): Option[String] = {
    val again = Encoder.read(Encoder.text(requests(op).read(json)))
    Option.when(again != json)(s"$again is not $json")
  }

  private def ofReply(op: String, json: JsonNode): Seq[String] = {
    val decoder = json.path("status").asText match {
      case "refused" => Refused.decoder
      case "error" => ErrorReply.decoder
      case _ => answers(op)
    }
    Seq(decoder, Dependencies.decoder).flatMap(each => different(each.read(json), json, "reply"))
  }

  private def different(value: Any, json: JsonNode, path: String): Seq[String] = value match {
    case None => Option.unless(json.isMissingNode || json.isNull)(s"$path is not read").toSeq
    case Some(of) => different(of, json, path)
    case OrNull(of) => different(of, json, path)
    case parts: Seq[_] => parts.zipWithIndex.flatMap { case (part, at) => different(part, json.path(at), s"$path[$at]") } ++
        Option.when(parts.size != json.size)(s"$path has ${parts.size} parts")
    case entries: Map[_, _] => entries.toSeq.flatMap { case (key, part) => different(part, json.path(key.toString), s"$path.$key") }
    case hex: Hex => unequal(HexFormat.of().formatHex(hex.bytes), json.asText, path)
    case base64: Base64 => unequal(java.util.Base64.getEncoder.encodeToString(base64.bytes), json.asText, path)
    case node: JsonNode => unequal(node, json, path)
    case number: Double => unequal(number, json.doubleValue, path)
    case whole @ (_: Int | _: Long | _: Boolean | _: String) => unequal(whole.toString, json.asText, path)
    case part: Product => Encoder.keys(part.getClass).zip(part.productIterator.toSeq).flatMap { case (key, of) => different(of, json.path(key), s"$path.$key") }
    case other => Seq(s"$path is a ${other.getClass.getName}")
  }

  private def unequal(value: Any, expected: Any, path: String): Seq[String] =
    Option.when(value != expected)(s"$path is $value, not $expected").toSeq
}
