package io.sparkweld.compile

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.JsonNode

import io.sparkweld.support.Refusal

/** Reads replies that contain Catalyst expressions. */
object Translation {
  type Translation = Either[Seq[Refusal], JsonNode]

  def read(frame: Frame): Translation = frame.status match {
    case "ok" => Right(frame.json)
    case "refused" =>
      val refusals = frame.json.path("refusals").elements().asScala.map(Refusal.fromJson).toSeq
      Left(if (refusals.isEmpty) Seq(Refusal("SW512", "what" -> "it refused without a reason")) else refusals)
    case "error" => Left(Seq(Refusal("SW511", "reason" -> frame.text("message").getOrElse("no message"))))
    case other => Left(Seq(Refusal("SW512", "what" -> s"its status is '$other'")))
  }
}
